"""`evaluate --consistency`: edit, render, invert, undo, and how far the codes then lie from where they were."""

from __future__ import annotations

import argparse
import csv
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import latentedit as le
from latentedit.cli import arguments, printing
from latentedit.errors import InputError
from latentedit.reporting import recorded, write_run

if TYPE_CHECKING:
    from latentedit.evaluation.consistency import Consistency, Invert
    from latentedit.statistics import Estimate

PROJECTION = "projection"
ALPHA = 3.0  # sigmas
HEADER = ["direction", "undone", "low", "high", "unedited", "low", "high"]


def add_consistency(parser: argparse.ArgumentParser) -> None:
    """Add the switch to this measure."""
    parser.add_argument(
        "--consistency",
        nargs="?",
        const=PROJECTION,
        metavar="ENCODER",
        help="measure what edit, render, invert and undo leave of codes instead (e4e), by an encoder or projection",
    )


def compare_consistency(args: argparse.Namespace) -> None:
    """Measure, write and print."""
    from latentedit.evaluation.consistency import measure_consistency

    if args.keep or args.by_layer:
        raise InputError("--consistency measures directions as they are: leave --keep and --by-layer out")
    checkpoint = arguments.open_network(args)
    generator = checkpoint.generator
    found = [le.load_direction(name, generator, args.any_generator, args.space) for name in args.directions]
    measured = [one if one.sigma else le.calibrate(one, generator, args.class_index) for one in found]
    ws = le.sample(generator, args.seeds, args.trunc, class_index=args.class_index)
    images = le.render(generator, ws, quiet=args.quiet)
    results = measure_consistency(generator, measured, _open_inversion(args, generator), images, ALPHA)
    facts = {
        "network": printing.describe_network(args.network, checkpoint),
        "flags": arguments.describe_flags(args),
        "inversion": args.consistency,
        "consistency": [asdict(result) for result in results],
    }
    with recorded(args.outdir) as folder:
        _write(folder / "consistency.csv", results)
        write_run(folder, **facts)
    table = [[r.name, _cell(r.undone), _cell(r.unedited)] for r in results]
    lines = [
        printing.network_line(args.network, checkpoint),
        f"faces      {len(images)}, inverted by {args.consistency}",
        *printing.table(["direction", f"{ALPHA:g} sigma and back", "unedited"], table),
        "distances of codes, in standard deviations of W's population: less is more consistent",
        f"written    {args.outdir / 'consistency.csv'}",
    ]
    printing.announce(args, facts, lines)


def _open_inversion(args: argparse.Namespace, generator: le.Generator) -> Invert:
    """Open the encoder, or project."""
    from latentedit.evaluation.consistency import by_projection
    from latentedit.inversion.encoding import load_encoder

    if args.consistency == PROJECTION:
        return by_projection(generator)
    return load_encoder(Path(args.consistency), generator)


def _write(path: Path, results: list[Consistency]) -> None:
    """Write a row a direction."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for result in results:
            figures = (result.undone, result.unedited)
            writer.writerow([result.name, *(f"{x:.6g}" for f in figures for x in (f.value, f.low, f.high))])


def _cell(figure: Estimate) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
