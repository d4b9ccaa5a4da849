"""The faces that a command edits, z, ws or styles as its direction asks, and what becomes of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import latentedit as le
from latentedit.cli import arguments
from latentedit.cli.arguments import as_argument, parse_number
from latentedit.errors import InputError
from latentedit.ranges import parse_seeds
from latentedit.vocabulary import PRECISIONS, Unit

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_PSI = 0.7
Mover = Callable[["Tensor", Sequence[float], Unit | None], "Tensor"]
"""From latents [N, ...], alphas and their unit to ws or styles [N, num_alphas, ...]."""


def add_faces(parser: argparse.ArgumentParser, seeds: str) -> None:
    """Add the choice of faces: seeds and truncation, or a file of latents."""
    parser.add_argument(
        "--seeds", type=as_argument(parse_seeds), metavar="S", help=f"seeds of faces, such as 0-3,7 (default {seeds})"
    )
    parser.set_defaults(default_seeds=seeds)
    parser.add_argument(
        "--trunc",
        "--truncation",
        "--psi",
        type=parse_number,
        metavar="PSI",
        help=f"truncation psi of seeds (default {DEFAULT_PSI})",
    )
    parser.add_argument("--trunc-cutoff", type=int, metavar="N", help="truncate only the first N layers")
    parser.add_argument("--class", dest="class_index", type=int, metavar="C", help="class of a conditional generator")
    parser.add_argument(
        "--latents", "--projected-w", type=Path, metavar="FILE", help="faces from an .npz, .npy or .pt, not seeds"
    )
    parser.add_argument("--noise-mode", choices=["const", "random", "none"], default="const", help="default: const")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="bf16: a faster preview (default fp32)")


def open_faces(
    args: argparse.Namespace, checkpoint: le.Checkpoint, direction: le.Direction | None = None
) -> tuple[Tensor, list[str]]:
    """Make the faces that the arguments choose: -> z, ws or styles [N, ...], or ws without a direction; their names."""
    if args.latents is not None:
        return _load_faces(args, checkpoint, direction)
    seeds = args.seeds or parse_seeds(args.default_seeds)
    if args.trunc_cutoff is not None and args.trunc_cutoff < 0:
        raise InputError(f"--trunc-cutoff {args.trunc_cutoff}: give a number of layers, 0 or more")
    names = [f"seed{seed:04d}" for seed in seeds]
    if direction is not None and direction.space == "z":
        return le.sample_z(seeds, checkpoint.config.z_dim), names
    ws = le.sample(checkpoint.generator, seeds, _psi(args), args.trunc_cutoff, args.class_index)
    return le.to_styles(checkpoint.generator, ws) if _is_in_styles(direction) else ws, names


def _is_in_styles(direction: le.Direction | None) -> bool:
    return direction is not None and direction.space == "s"


def _load_faces(
    args: argparse.Namespace, checkpoint: le.Checkpoint, direction: le.Direction | None
) -> tuple[Tensor, list[str]]:
    """Load the faces of --latents, which no seed's setting may alter."""
    for flag in ("seeds", "trunc", "trunc_cutoff", "class_index"):
        if getattr(args, flag) is not None:
            name = flag.removesuffix("_index").replace("_", "-")
            raise InputError(f"--{name} and --latents: latents are taken as they are, give one of them")
    if direction is not None and direction.space == "z":
        raise InputError(f"--latents {args.latents}: they are ws, and direction {direction.name} moves z: give --seeds")
    load = le.load_styles if _is_in_styles(direction) else le.load_latents
    faces = load(args.latents, checkpoint.generator)
    return faces, [f"{args.latents.stem}-{i:04d}" for i in range(len(faces))]


def _psi(args: argparse.Namespace) -> float:
    return DEFAULT_PSI if args.trunc is None else args.trunc


def open_mover(
    args: argparse.Namespace, checkpoint: le.Checkpoint, direction: le.Direction, layers: tuple[int, ...]
) -> Mover:
    """Make what moves faces to every alpha: straight, by learned steps, or on a path that holds what --keep names."""
    from latentedit.discovery import is_nonlinear

    if is_nonlinear(args.direction):
        bent = le.load_nonlinear(args.direction, checkpoint.generator, any_generator=True)
        return lambda latents, alphas, unit: bent.sweep(latents, alphas, layers, unit).ws
    scorers = arguments.open_attributes(args.keep)
    if not scorers:
        return lambda latents, alphas, unit: map_faces(
            args, checkpoint, direction, le.sweep(latents, direction, alphas, layers, unit).latents
        )
    covariance = le.measure_covariance(checkpoint.generator, args.class_index)
    path = le.Holding(checkpoint.generator, direction, scorers, covariance)
    return lambda latents, alphas, unit: path.sweep(latents, alphas, layers, unit, args.quiet).ws


def map_faces(args: argparse.Namespace, checkpoint: le.Checkpoint, direction: le.Direction, latents: Tensor) -> Tensor:
    """Map and truncate what is still z, [..., z_dim] -> ws [..., num_ws, w_dim]; leave ws and styles alone."""
    if direction.space != "z":
        return latents
    return le.to_ws(checkpoint.generator, latents, _psi(args), args.trunc_cutoff, args.class_index)


def render_faces(
    args: argparse.Namespace,
    checkpoint: le.Checkpoint,
    direction: le.Direction | None,
    latents: Tensor,
    quiet: bool = False,
) -> Tensor:
    """Render styles along a direction that moves them, else ws: -> [..., 3, H, W]."""
    draw = le.render_styles if _is_in_styles(direction) else le.render
    return draw(checkpoint.generator, latents, args.noise_mode, quiet=quiet or args.quiet, precision=args.precision)


def save_faces(path: Path, checkpoint: le.Checkpoint, direction: le.Direction, latents: Tensor) -> None:
    """Write ws or styles [N, ...] as .npz, with the generator's fingerprint."""
    save = le.save_styles if direction.space == "s" else le.save_latents
    save(path, latents, fingerprint=checkpoint.fingerprint)
