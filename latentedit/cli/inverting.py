"""Photographs to latents, as `invert` and `apply --photo` do it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import latentedit as le
from latentedit.cli import arguments
from latentedit.errors import InputError
from latentedit.vocabulary import PROJECTION_SPACES

if TYPE_CHECKING:
    from torch import Tensor

    from latentedit.inversion.projection import Inversion


def add_projection(parser: argparse._ActionsContainer) -> None:
    """Add how photographs are projected."""
    parser.add_argument("--steps", "--num-steps", type=arguments.parse_count, metavar="N", help="at most (default 200)")
    parser.add_argument("--lr", type=arguments.parse_positive, help="learning rate, in sigmas of W (default 0.15)")
    parser.add_argument("--encoder", type=Path, metavar="FILE", help="start from the latents of `train encoder`'s file")
    parser.add_argument("--fast", action="store_true", help="take the encoder's latents as they are")


def add_tuned(parser: argparse._ActionsContainer) -> None:
    """Add the choice of a generator tuned to photographs."""
    parser.add_argument(
        "--tuned", type=Path, metavar="FILE", help="render by the generator that `invert --tune` fitted to photographs"
    )


def add_invert_space(parser: argparse.ArgumentParser) -> None:
    """Add the space of projection."""
    parser.add_argument("--space", choices=PROJECTION_SPACES, default="w+", help="where to look (default w+)")


def check_projection(args: argparse.Namespace) -> None:
    """Refuse settings that contradict each other."""
    if args.fast and args.encoder is None:
        raise InputError("--fast takes an encoder's latents: name its file with --encoder")
    if args.fast and (args.steps or args.lr):
        raise InputError("--fast takes no steps: leave --steps and --lr out, or --fast")


def invert(args: argparse.Namespace, checkpoint: le.Checkpoint, targets: Tensor, space: str) -> Inversion:
    """Project photographs [N, 3, R, R], or encode them with --fast."""
    from latentedit.inversion.encoding import load_encoder
    from latentedit.inversion.projection import Inversion, ProjectionSettings, project

    generator = checkpoint.generator
    given = {"num_steps": args.steps, "learning_rate": args.lr, "seed": getattr(args, "seed", None)}
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = ProjectionSettings(space=space, **chosen)  # type: ignore[arg-type]
    start = None if args.encoder is None else load_encoder(args.encoder, generator)(targets)
    if start is not None and args.fast:
        return Inversion(start, (), start[None], settings)
    return project(generator, targets, settings, start, args.outdir, args.class_index, args.quiet)


def open_tuned(args: argparse.Namespace, checkpoint: le.Checkpoint) -> le.Generator:
    """Open the generator that renders: the checkpoint's own, or what --tuned makes of it."""
    from latentedit.inversion.tuning import load_tuned

    return load_tuned(args.tuned, checkpoint.generator) if args.tuned else checkpoint.generator
