"""The arguments that several commands share, and how they are read."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from latentedit.checkpoints import Checkpoint, load_checkpoint
from latentedit.direction import UNITS, Direction
from latentedit.errors import InputError
from latentedit.latents import load_latents, sample
from latentedit.library import load_direction
from latentedit.predictors import load_scorer
from latentedit.ranges import format_ranges, parse_layers, parse_seeds
from latentedit.rendering import PRECISIONS
from latentedit.scoring import Scorer

Commands = Any  # argparse's own type for sub-parsers is private
T = TypeVar("T")
DEFAULT_PSI = 0.7


def add_command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], None], summary: str, examples: str
) -> argparse.ArgumentParser:
    """Add a command whose help opens with its examples."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.\n\nexamples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add --network and --device."""
    parser.add_argument(
        "--network", default="faces", help="the generator: faces (bundled, default) or a .pkl, .pt or .safetensors file"
    )
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"], help="default: auto")


def add_faces(parser: argparse.ArgumentParser, seeds: str) -> None:
    """Add the choice of faces: seeds and truncation, or a file of latents."""
    parser.add_argument(
        "--seeds", type=_as_argument(parse_seeds), metavar="S", help=f"seeds of faces, such as 0-3,7 (default {seeds})"
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
    parser.add_argument(
        "--precision", choices=list(PRECISIONS), default="fp32", help="bf16: a faster preview (default fp32)"
    )


def add_direction(parser: argparse.ArgumentParser) -> None:
    """Add the direction, and how an edit along it is meant."""
    parser.add_argument("--direction", required=True, help="a name of `latentedit directions list`, or a file")
    parser.add_argument(
        "--layers",
        "--styles",
        "--manipulate-layers",
        "-L",
        default="all",
        metavar="L",
        help="all, coarse, middle, fine or such as 4-7 (inclusive)",
    )
    parser.add_argument(
        "--unit",
        choices=UNITS,
        help="what an alpha counts: rows of the vector (raw), standard deviations of W's population (sigma), or "
        "unit norm over all layers as in the memorability paper (flat); default: the direction's own",
    )
    parser.add_argument("--any-generator", action="store_true", help="take a direction of another generator too")


def add_scorer(parser: argparse.ArgumentParser) -> None:
    """Add the choice of the score."""
    parser.add_argument("--scorer", default="omi", help="omi (rated memorability, default), such as omi:happy, or none")


def add_output(parser: argparse.ArgumentParser, outdir: str | None = "out") -> None:
    """Add what is printed, and --outdir where a command writes files."""
    if outdir:
        parser.add_argument("--outdir", type=Path, default=Path(outdir), help=f"folder to write (default {outdir})")
    parser.add_argument("--quiet", action="store_true", help="no progress, no text")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def _as_argument(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Let argparse show an InputError's own words."""

    def parse_argument(text: str) -> T:
        try:
            return parse(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse_argument


def parse_number(text: str) -> float:
    """Read a finite number."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return number


def open_network(args: argparse.Namespace) -> Checkpoint:
    """Open the generator that --network and --device name."""
    return load_checkpoint(args.network, args.device)


def open_faces(args: argparse.Namespace, checkpoint: Checkpoint) -> tuple[Tensor, list[str]]:
    """Make the latents that the arguments choose: -> ws [N, num_ws, w_dim] and a name for each face."""
    if args.latents is not None:
        for flag in ("seeds", "trunc", "trunc_cutoff", "class_index"):
            if getattr(args, flag) is not None:
                name = flag.removesuffix("_index").replace("_", "-")
                raise InputError(f"--{name} and --latents: latents are taken as they are, give one of them")
        ws = load_latents(args.latents, checkpoint.generator)
        return ws, [f"{args.latents.stem}-{i:04d}" for i in range(len(ws))]
    seeds = args.seeds or parse_seeds(args.default_seeds)
    if args.trunc_cutoff is not None and args.trunc_cutoff < 0:
        raise InputError(f"--trunc-cutoff {args.trunc_cutoff}: give a number of layers, 0 or more")
    psi = DEFAULT_PSI if args.trunc is None else args.trunc
    ws = sample(checkpoint.generator, seeds, psi, args.trunc_cutoff, args.class_index)
    return ws, [f"seed{seed:04d}" for seed in seeds]


def open_direction(args: argparse.Namespace, checkpoint: Checkpoint) -> tuple[Direction, tuple[int, ...]]:
    """Load the direction and the layers that an edit moves."""
    direction = load_direction(args.direction, checkpoint.generator, args.any_generator)
    layers = parse_layers(args.layers, checkpoint.config.num_ws)
    moved = tuple(layer for layer in layers if layer in direction.layers)
    if not moved:
        raise InputError(
            f"--layers {args.layers}: direction {direction.name} moves only layers {format_ranges(direction.layers)}"
        )
    return direction, moved


def open_scorer(args: argparse.Namespace) -> Scorer | None:
    """Load the scorer, or none."""
    return None if args.scorer == "none" else load_scorer(args.scorer)


def parse_count(text: str) -> int:
    """Read a whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def parse_seed(text: str) -> int:
    """Read one seed."""
    return _as_argument(parse_seeds)(text)[0]


def parse_positive(text: str) -> float:
    """Read a finite number above zero."""
    number = parse_number(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above zero")
    return number


def describe_flags(args: argparse.Namespace) -> dict[str, Any]:
    """List every flag as it was given or defaulted, fit for run.json."""
    flags = {flag: value for flag, value in sorted(vars(args).items()) if flag not in ("run", "default_seeds")}
    return {flag: str(value) if isinstance(value, Path) else value for flag, value in flags.items()}
