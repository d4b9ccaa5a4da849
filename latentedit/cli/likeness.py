"""`--lpips` and `--identity`: networks that compare images before and after."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latentedit.evaluation.similarity import Similarity


def add_likeness(parser: argparse.ArgumentParser) -> None:
    """Add the choice of networks."""
    parser.add_argument(
        "--identity",
        metavar="NET",
        help="compare people too, by vgg16, resnet50 or senet50 of VGGFace and VGGFace2, NAME=FILE or your own file",
    )
    parser.add_argument("--lpips", choices=["alex", "squeeze", "vgg"], help="compare looks too")


def open_likeness(args: argparse.Namespace) -> dict[str, Similarity]:
    """Load the networks that are asked for, by what they are to be called."""
    from latentedit.predictors.likeness import load_distance, load_likeness

    found: dict[str, Similarity] = {}
    if args.identity:
        people = load_likeness(args.identity)
        found[f"identity, {people.name}"] = people.measure
    if args.lpips:
        looks = load_distance(args.lpips)
        found[looks.name] = looks.measure
    return found
