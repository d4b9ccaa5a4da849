"""`latentedit datasets`: where the field's data sets are to be had, and what is wrong with one on this disk."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from latentedit.cli import arguments, printing

if TYPE_CHECKING:
    from latentedit.datasets import Dataset, Inspection

EXAMPLES = """\
  latentedit datasets                       where to get each, and under which terms; nothing is downloaded
  latentedit datasets omi/                  read it, and say what is missing, doubled or out of range
  latentedit datasets lamem/ --number 2     the second of LaMem's five splits
  latentedit datasets scores.csv --json     any table with columns path and score
"""
MOST_NAMED = 8


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "datasets", run, "list and check data sets of rated images", EXAMPLES)
    parser.add_argument("data", nargs="?", type=Path, help="a folder, a .csv or a .zip to check")
    add_reading(parser)
    arguments.add_output(parser, outdir=None)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add how a data set is read."""
    parser.add_argument("--layout", help="us-faces, lamem, memcat, omi, table or zip (default: told by its files)")
    parser.add_argument("--target", help="which score: such as hit, happy, or a table's column (default: its main one)")
    parser.add_argument("--number", type=arguments.parse_count, default=1, help="which of LaMem's splits (default 1)")


def read(args: argparse.Namespace) -> Dataset:
    """Read the data set that the flags name."""
    from latentedit.datasets import read_dataset

    return read_dataset(args.data, args.layout, args.target, args.number)


def run(args: argparse.Namespace) -> None:
    """List the layouts, or check a data set."""
    from latentedit.datasets import LAYOUTS, inspect_dataset

    if args.data is None:
        facts = {name: {"title": x.title, "source": x.source, "terms": x.terms} for name, x in LAYOUTS.items()}
        lines = [line for name, known in facts.items() for line in (f"{name:10} {known['title']}", *_origin(known))]
        printing.announce(args, facts, lines)
    else:
        inspection = inspect_dataset(read(args), args.quiet)
        printing.announce(args, inspection.to_dict(), describe(inspection))


def _origin(known: dict[str, str]) -> list[str]:
    return [f"{'':10} from {known['source']}", f"{'':10} terms: {known['terms']}"]


def describe(inspection: Inspection) -> list[str]:
    """Write what was read, and what is wrong with it, a line each."""
    facts, dataset = inspection.to_dict(), inspection.dataset
    low, high = min(dataset.scores), max(dataset.scores)
    splits = ", ".join(f"{name} {count}" for name, count in facts["splits"].items()) or "none"
    lines = [
        f"data set   {dataset.name}, {len(dataset.images)} images, splits: {splits}",
        f"scores     {dataset.target}, {low:.4g} to {high:.4g} of {dataset.range[0]:g} to {dataset.range[1]:g}",
    ]
    for fault in ("missing", "leaks", "duplicates", "conflicts", "out_of_range"):
        names = [name if isinstance(name, str) else " = ".join(name) for name in facts[fault]]
        more = ", ..." if len(names) > MOST_NAMED else ""
        lines.append(f"{fault:12} {len(names)}{': ' if names else ''}{', '.join(names[:MOST_NAMED])}{more}")
    return lines
