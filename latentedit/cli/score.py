"""`latentedit score`: rate image files."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.cli import arguments, printing
from latentedit.errors import InputError
from latentedit.photographs import list_images, load_square, to_images
from latentedit.predictors import AttributeScorer, load_scorer

EXAMPLES = """\
  latentedit score face.png photos/                     rated memorability, 0 to 100
  latentedit score photos/ --scorer omi:happy patches:happy --json

In brackets, where people's mean rating lies nine times in ten, for faces such as the scorer was trained on.
A face must be aligned as FFHQ's are (eyes level, centred), as `apply` and `sweep` render them.
"""
RESOLUTION = 256  # what photographs are brought to before a scorer sees them


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "score", run, "rate image files", EXAMPLES)
    parser.add_argument("images", nargs="+", type=Path, help="image files, or folders of them")
    parser.add_argument("--scorer", nargs="+", default=["omi"], help="one or more, such as omi omi:happy (default omi)")
    arguments.add_output(parser, outdir=None)


def run(args: argparse.Namespace) -> None:
    """Read, score and print."""
    if "none" in args.scorer:
        raise InputError("--scorer none: nothing would be scored, name a scorer such as omi")
    scorers = [load_scorer(name) for name in args.scorer]
    paths = list_images(args.images)
    bar = tqdm(paths, desc="scoring", unit="img", disable=args.quiet or len(paths) < 10)
    scores = torch.stack([_score_file(path, scorers) for path in bar])  # [N, number of scorers]
    names = [scorer.name for scorer in scorers]
    intervals = torch.stack([s.interval(scores[:, i]) for i, s in enumerate(scorers)], dim=1)  # [N, scorers, 2]
    facts, rows = [], []
    for path, row, ends in zip(map(str, paths), scores.tolist(), intervals.tolist(), strict=True):
        named = dict(zip(names, ends, strict=True))
        facts.append({"image": path, **dict(zip(names, row, strict=True)), "intervals": named})
        rows.append([path, *map(printing.score_cell, row, ends)])
    printing.announce(args, facts, printing.table(["image", *names], rows))


@torch.no_grad()
def _score_file(path: Path, scorers: list[AttributeScorer]) -> Tensor:
    """Score one file by each scorer: -> [number of scorers]."""
    image = to_images(load_square(path, RESOLUTION))
    return torch.stack([scorer(image) for scorer in scorers])
