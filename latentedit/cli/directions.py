"""`latentedit directions`: list, show and rebuild the library."""

from __future__ import annotations

import argparse
from pathlib import Path

from latentedit.cli import arguments, printing
from latentedit.cli.inspect import describe_direction, fact_lines
from latentedit.collection import build_collection
from latentedit.direction import Direction
from latentedit.library import find_direction, list_directions, read_direction
from latentedit.predictors import load_assessor

EXAMPLES = """\
  latentedit directions list
  latentedit directions show w_sq
  latentedit directions build --out directions/faces    find the bundled ones again
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command and its own commands to the parser."""
    parser = arguments.add_command(commands, "directions", list_known, "list, show or rebuild directions", EXAMPLES)
    actions = parser.add_subparsers(dest="action", metavar="list | show | build", required=True)
    listing = arguments.add_command(actions, "list", list_known, "list what a generator has", EXAMPLES)
    showing = arguments.add_command(actions, "show", show, "say how a direction was found and what it does", EXAMPLES)
    showing.add_argument("direction", help="a name of `latentedit directions list`, or a file")
    building = arguments.add_command(actions, "build", build, "find the bundled directions again", EXAMPLES)
    building.add_argument(
        "--faces", type=arguments.parse_count, default=20_000, metavar="N", help="seeds 0 to N-1 (default 20000)"
    )
    building.add_argument("--trunc", type=arguments.parse_number, default=0.5, metavar="PSI", help="default 0.5")
    building.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    for action in (listing, showing, building):
        arguments.add_network(action)
        arguments.add_output(action, outdir=None)


def list_known(args: argparse.Namespace) -> None:
    """Print every direction of the generator: name, space, sigma, method and where it lies."""
    known = list_directions(arguments.open_network(args).fingerprint)
    found = [(path, read_direction(path)) for path in known.values()]
    facts = [{**printing.describe_direction(direction), "file": str(path)} for path, direction in found]
    lines = printing.table(["direction", "space", "sigma", "method", "file"], [_row(*entry) for entry in found])
    none = [f"no direction is known for network {args.network}: give a file, or `latentedit directions build`"]
    printing.announce(args, facts, lines if found else none)


def _row(path: Path, direction: Direction) -> list[str]:
    """Write one direction as the cells of a table."""
    sigma = "" if direction.sigma is None else f"{direction.sigma:.3f}"
    return [direction.name, direction.space, sigma, str(direction.provenance.get("method")), str(path)]


def show(args: argparse.Namespace) -> None:
    """Print all that a direction's file says."""
    path = Path(args.direction)
    if path.suffix != ".safetensors":
        path = find_direction(args.direction, arguments.open_network(args).fingerprint)
    facts = describe_direction(path)
    printing.announce(args, facts, fact_lines(facts))


def build(args: argparse.Namespace) -> None:
    """Find, measure and write the collection."""
    checkpoint = arguments.open_network(args)
    collection = build_collection(
        checkpoint.generator, load_assessor("omi"), args.out, args.faces, args.trunc, quiet=args.quiet
    )
    facts = {name: direction.provenance["effects"] for name, direction in collection.items()}
    attributes = list(next(iter(facts.values()))["shift_in_sd"])
    rows = [[name, *(f"{f['shift_in_sd'][a]['+3 sigma']:+.2f}" for a in attributes)] for name, f in facts.items()]
    lines = [*printing.table(["SD at +3 sigma", *attributes], rows), f"written    {args.out}"]
    printing.announce(args, facts, lines)
