"""Photographs to latents, as `invert` and `apply --photo` do it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import latentedit as le
from latentedit.cli import arguments
from latentedit.errors import InputError
from latentedit.vocabulary import BUNDLED, PROJECTION_LOSSES, PROJECTION_SPACES

if TYPE_CHECKING:
    from torch import Tensor

    from latentedit.inversion.portraits import Portrait
    from latentedit.inversion.projection import Inversion

ENCODED_STEPS = 66  # of a projection whose curvature is known: a third of the others


def add_projection(parser: argparse._ActionsContainer) -> None:
    """Add how photographs are projected."""
    parser.add_argument(
        "--steps",
        "--num-steps",
        type=arguments.parse_count,
        metavar="N",
        help="at most (default 200; from latentedit's encoders 66)",
    )
    parser.add_argument("--lr", type=arguments.parse_positive, help="learning rate, in sigmas of W (default 0.15)")
    parser.add_argument(
        "--loss", choices=PROJECTION_LOSSES, help="what is lowered (default multiscale, which needs no weights)"
    )
    parser.add_argument(
        "--encoder",
        nargs="?",
        const=BUNDLED,
        metavar="FILE",
        help="start from an encoder's latents: the bundled one's, or those of `train encoder`'s file, pSp's, e4e's "
        "or ReStyle's",
    )
    parser.add_argument(
        "--upright",
        action="store_true",
        help="StyleGAN3: turn the generator's input, and leave the photograph as it is",
    )
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
    if args.fast and (args.steps or args.lr or args.loss):
        raise InputError("--fast takes no steps: leave --steps, --lr and --loss out, or --fast")


def invert(args: argparse.Namespace, checkpoint: le.Checkpoint, targets: Tensor, space: str) -> Inversion:
    """Project photographs [N, 3, R, R], or encode them with --fast."""
    from latentedit.inversion.encoding import load_encoder
    from latentedit.inversion.projection import Inversion, ProjectionSettings, project

    generator = checkpoint.generator
    given = {"loss": args.loss, "num_steps": args.steps, "learning_rate": args.lr, "seed": getattr(args, "seed", None)}
    chosen = {name: value for name, value in given.items() if value is not None}
    encoder = load_encoder(args.encoder or BUNDLED, generator) if args.encoder or args.fast else None
    axes = encoder.axes if encoder and space == "w+" else None
    if axes is not None:
        chosen = {"num_steps": ENCODED_STEPS, **chosen}
        if args.lr:
            raise InputError(f"--lr {args.lr:g}: from this encoder each step finds its own length, leave --lr out")
    settings = ProjectionSettings(space=space, **chosen)  # type: ignore[arg-type]
    start = encoder(targets) if encoder else None
    if start is not None and args.fast:
        return Inversion(start, (), start[None], settings)
    return project(generator, targets, settings, start, args.outdir, args.class_index, args.quiet, axes=axes)


def set_upright(
    args: argparse.Namespace, checkpoint: le.Checkpoint, found: list[Portrait]
) -> tuple[le.Checkpoint, list[Portrait]]:
    """Leave a photograph as it is turned, with --upright, and pose the generator to it."""
    from latentedit.inversion.posing import pose, set_upright

    if not args.upright:
        return checkpoint, found
    if len(found) != 1:
        raise InputError(f"--upright poses the generator to one photograph, here are {len(found)}: give one")
    portrait, transform = set_upright(found[0])
    return replace(checkpoint, generator=pose(checkpoint.generator, transform)), [portrait]


def open_tuned(args: argparse.Namespace, checkpoint: le.Checkpoint) -> le.Generator:
    """Open the generator that renders: the checkpoint's own, what --tuned makes of it, as --latents pose it."""
    from latentedit.inversion.posing import pose
    from latentedit.inversion.tuning import load_tuned

    generator = load_tuned(args.tuned, checkpoint.generator) if args.tuned else checkpoint.generator
    transform = _read_transform(args.latents) if args.latents is not None else None
    return generator if transform is None else pose(generator, transform)


def _read_transform(path: Path) -> Tensor | None:
    """Read the pose that `invert --upright` kept beside latents."""
    from latentedit.arrays import load_content, to_tensor
    from latentedit.errors import about

    with about(path):
        content = load_content(path)
        found = content.get("transform") if isinstance(content, dict) else None
        return None if found is None else to_tensor(found)
