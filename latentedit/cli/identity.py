"""`--keep-identity`: how far each face may go and stay like itself; and what leaves W's population."""

from __future__ import annotations

import argparse
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import latentedit as le
from latentedit.cli import arguments, faces
from latentedit.errors import InputError, Notice
from latentedit.vocabulary import Unit

if TYPE_CHECKING:
    from torch import Tensor

    from latentedit.inversion.identity import Kept, Likeness


def add_identity(parser: argparse.ArgumentParser) -> None:
    """Add the least likeness that an edit must leave, and how it is measured."""
    parser.add_argument(
        "--keep-identity",
        type=arguments.parse_share,
        metavar="T",
        help="end each face's alpha where its likeness to the face before falls below T: MS-SSIM, or with --identity",
    )
    parser.add_argument(
        "--identity",
        type=Path,
        metavar="FILE",
        help="weights of VGGFace or VGGFace2 (VGG16, ResNet-50, SENet-50): likeness is the cosine of their features",
    )


def limit_alphas(
    args: argparse.Namespace,
    checkpoint: le.Checkpoint,
    direction: le.Direction,
    latents: Tensor,
    alphas: list[float],
    unit: Unit | None,
    move: faces.Mover,
) -> tuple[list[float], list[Kept]]:
    """End alphas where --keep-identity says: -> alphas, and how like each face stays; none unasked."""
    from latentedit.inversion.identity import keep_likeness

    if args.keep_identity is None:
        if args.identity is not None:
            raise InputError(f"--identity {args.identity} measures what --keep-identity keeps: give both")
        return alphas, []
    likeness = open_likeness(args)

    def limit(face: Tensor, alpha: float) -> Kept:
        def show(steps: Any) -> Tensor:
            return faces.render_faces(args, checkpoint, direction, move(face, steps, unit), quiet=True)[0]

        return keep_likeness(show, likeness, args.keep_identity, alpha)

    kept = [limit(face, alpha) for face, alpha in zip(latents[:, None], alphas, strict=True)]
    return [one.alpha for one in kept], kept


def open_likeness(args: argparse.Namespace) -> Likeness:
    """Open the likeness that --identity names."""
    from latentedit.inversion.identity import load_likeness

    return load_likeness(args.identity)


def kept_facts(kept: list[Kept]) -> list[dict[str, Any]]:
    """Say how like each face stays, fit for run.json."""
    return [asdict(one) for one in kept]


def kept_lines(args: argparse.Namespace, names: list[str], kept: list[Kept]) -> list[str]:
    """Say at which alpha each face ends."""
    how = "MS-SSIM" if args.identity is None else f"cosine by {args.identity.name}"
    return [
        f"{name:10} {'ends' if one.is_cut else 'goes all the way'} at alpha {one.alpha:+.3g}, {how} {one.likeness:.3f}"
        for name, one in zip(names, kept, strict=False)
    ]


def watch_population(
    args: argparse.Namespace, checkpoint: le.Checkpoint, direction: le.Direction, names: list[str], both: Tensor
) -> list[float]:
    """Place edited faces among random ones, [N, 2, ...] -> sigmas [N], and warn of those that went beyond all."""
    from latentedit.inversion.outskirts import measure_outskirts

    if checkpoint.config.c_dim and args.class_index is None:
        return []  # whose population it would be is not known
    found = measure_outskirts(checkpoint.generator, both[:, 0], both[:, 1], args.class_index)
    gone = found.have_left.nonzero()[:, 0].tolist()
    if gone:
        worst = max(gone, key=lambda i: float(found.sigmas[i]))
        place, farthest = (float(figures[worst]) for figures in (found.sigmas, found.farthest))
        others = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        warnings.warn(
            Notice(
                f"{names[worst]}{others} left the population, {place:.1f} sigma out along {direction.name}: "
                f"no random face lies beyond {farthest:.1f}, expect artefacts or give a smaller --alpha"
            ),
            stacklevel=2,
        )
    return [float(place) for place in found.sigmas]
