"""The arguments that several commands share, and how they are read."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import latentedit as le
from latentedit.errors import InputError
from latentedit.ranges import parse_seeds
from latentedit.vocabulary import UNITS

if TYPE_CHECKING:
    from latentedit.predictors import AnyScorer

Commands = Any  # argparse's own type for sub-parsers is private
T = TypeVar("T")


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
    """Add --network, --device and --offline."""
    parser.add_argument(
        "--network",
        default="faces",
        help="the generator: faces (bundled, default), another name of `latentedit models list`, a .pkl, .pt or "
        ".safetensors file, or an https address",
    )
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"], help="default: auto")
    add_offline(parser)


def add_offline(parser: argparse.ArgumentParser) -> None:
    """Add --offline."""
    parser.add_argument("--offline", action="store_true", help="download nothing (always so with LATENTEDIT_OFFLINE=1)")


def add_direction(parser: argparse.ArgumentParser, units: Sequence[str] = UNITS, required: bool = True) -> None:
    """Add the direction, and how an edit along it is meant."""
    parser.add_argument(
        "--direction",
        required=required,
        help="a name of `latentedit directions list` or `latentedit models list`, a file, an https address, or "
        "channels such as 9_6",
    )
    add_space(parser)
    parser.add_argument(
        "--layers",
        "--styles",
        "--manipulate-layers",
        "-L",
        default="all",
        metavar="L",
        help="all, coarse, middle, fine or such as 4-7 (inclusive); of channels: style layers, as in 9_6",
    )
    parser.add_argument(
        "--unit",
        choices=units,
        help="what an alpha counts: rows of the vector (raw), standard deviations of the population (sigma), or "
        "unit norm over all layers as in the memorability paper (flat); default: the direction's own",
    )
    parser.add_argument("--any-generator", action="store_true", help="take a direction of another generator too")
    parser.add_argument(
        "--keep",
        nargs="+",
        default=[],
        metavar="ATTRIBUTE",
        help="rated attributes that shall stay put, such as happy age: the path bends at every face so that they do",
    )


def add_space(parser: argparse.ArgumentParser) -> None:
    """Add the space that another tool's file is meant in."""
    parser.add_argument(
        "--space", choices=["w", "z"], help="what another tool's file of one row moves (default: what its format says)"
    )


def add_scorer(parser: argparse.ArgumentParser) -> None:
    """Add the choice of the score."""
    parser.add_argument(
        "--scorer",
        default="omi",
        help="omi (rated memorability, default), such as omi:happy or patches:happy (a second opinion), "
        "resmem, vitmem, a .safetensors file of a predictor, or none",
    )


def add_output(parser: argparse.ArgumentParser, outdir: str | None = "out") -> None:
    """Add what is printed, and --outdir where a command writes files."""
    if outdir:
        parser.add_argument(
            "--outdir", "--out", type=Path, default=Path(outdir), help=f"folder to write (default {outdir})"
        )
    parser.add_argument("--quiet", action="store_true", help="no progress, no text")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def as_argument(parse: Callable[[str], T]) -> Callable[[str], T]:
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


def open_network(args: argparse.Namespace) -> le.Checkpoint:
    """Open the generator that --network and --device name."""
    return le.load_checkpoint(args.network, args.device)


def open_direction(args: argparse.Namespace, checkpoint: le.Checkpoint) -> tuple[le.Direction, tuple[int, ...]]:
    """Load the direction and the layers that an edit moves; measure sigma where an alpha counts it and nobody did."""
    from latentedit.addresses import choose_layers

    bent = open_nonlinear(args, args.direction, checkpoint)
    direction = bent.direction if bent else load_direction(args, args.direction, checkpoint)
    moved = choose_layers(args.layers, direction, checkpoint.config)
    if args.unit == "sigma" and direction.sigma is None:
        direction = le.calibrate(direction, checkpoint.generator, args.class_index)
    return direction, moved


def load_direction(args: argparse.Namespace, name: str, checkpoint: le.Checkpoint) -> le.Direction:
    """Load a direction that --any-generator and --space are about."""
    return le.load_direction(name, checkpoint.generator, args.any_generator, args.space)


def open_nonlinear(args: argparse.Namespace, name: str, checkpoint: le.Checkpoint) -> le.NonlinearEdit | None:
    """Load a learned step of each face's own, or none where a name is no file of one."""
    from latentedit.discovery import is_nonlinear

    if not is_nonlinear(name):
        return None
    if args.keep:
        raise InputError(f"--keep and {name}: ratings are held along a direction, and this is none: leave --keep out")
    return le.load_nonlinear(name, checkpoint.generator, args.any_generator)


def open_scorer(args: argparse.Namespace) -> AnyScorer | None:
    """Load the scorer, or none."""
    return None if args.scorer == "none" else le.load_scorer(args.scorer)


def open_attributes(names: Iterable[str]) -> list[AnyScorer]:
    """Load scorers by attributes of the assessor `omi`, unless another is named, as in patches:age."""
    return [le.load_scorer(name if ":" in name else f"omi:{name}") for name in names]


def parse_count(text: str) -> int:
    """Read a whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def parse_seed(text: str) -> int:
    """Read one seed."""
    return as_argument(parse_seeds)(text)[0]


def parse_positive(text: str) -> float:
    """Read a finite number above zero."""
    number = parse_number(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above zero")
    return number


def parse_weight(text: str) -> float:
    """Read a finite number from zero on."""
    number = parse_number(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is below zero")
    return number


def parse_share(text: str) -> float:
    """Read a number from 0 to 1."""
    number = parse_weight(text)
    if number > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is above one")
    return number


def describe_flags(args: argparse.Namespace) -> dict[str, Any]:
    """List every flag as it was given or defaulted, fit for run.json."""
    flags = {
        flag: value for flag, value in sorted(vars(args).items()) if flag != "run" and not flag.startswith("default_")
    }
    return {flag: _plain(value) for flag, value in flags.items()}


def _plain(value: Any) -> Any:
    """Write paths as text."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
