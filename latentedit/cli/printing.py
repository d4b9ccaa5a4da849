"""What commands print: lines for a person, or the same facts as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from latentedit.checkpoints import Checkpoint
from latentedit.direction import Direction, Unit
from latentedit.errors import printable


def announce(args: argparse.Namespace, facts: Any, lines: Sequence[str]) -> None:
    """Print the facts as JSON with --json, nothing with --quiet, else the lines."""
    if args.json:
        print(json.dumps(facts, indent=2))
    elif not args.quiet:
        print("\n".join(map(printable, lines)))


def describe_network(name: str, checkpoint: Checkpoint) -> dict[str, Any]:
    """Say which generator made the images, fit for run.json."""
    return {
        "name": name,
        "format": checkpoint.format,
        "fingerprint": checkpoint.fingerprint,
        "img_resolution": checkpoint.config.img_resolution,
        "licence": checkpoint.licence,
        "notes": list(checkpoint.notes),
    }


def describe_direction(direction: Direction) -> dict[str, Any]:
    """Say which direction it is, fit for run.json."""
    return {
        "name": direction.name,
        "space": direction.space,
        "sigma": direction.sigma,
        "generator": direction.generator,
        "provenance": direction.provenance,
    }


def network_line(name: str, checkpoint: Checkpoint) -> str:
    """Write the generator on one line."""
    side = checkpoint.config.img_resolution
    return f"network    {name}, {side} x {side} px, fingerprint {checkpoint.fingerprint[:12]}"


def preview_lines(precision: str) -> list[str]:
    """Warn of pictures that are only a preview."""
    return [] if precision == "fp32" else [f"preview    rendered in {precision}: repeat in fp32 what you report"]


def alpha_line(direction: Direction, alphas: Mapping[Unit, float], layers: str) -> str:
    """Write an edit with its alpha in every unit on one line."""
    conversion = " = ".join(f"{alpha:+.3g} {unit}" for unit, alpha in alphas.items())
    return f"direction  {direction.name}, alpha {conversion}, layers {layers}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Align columns: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    aligned = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in [header, *rows]]
    return ["  ".join(cells) for cells in aligned]
