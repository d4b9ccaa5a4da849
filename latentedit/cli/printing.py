"""What commands print: lines for a person, or the same facts as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

import latentedit as le
from latentedit.errors import about, one_line, printable
from latentedit.vocabulary import Unit

MOST_ODDITIES = 12  # shown of one file
MOST_ITEMS = 6  # of a list, on one line


def announce(args: argparse.Namespace, facts: Any, lines: Sequence[str]) -> None:
    """Print the facts as JSON with --json, nothing with --quiet, else the lines."""
    if args.json:
        print(json.dumps(facts, indent=2))
    elif not args.quiet:
        print("\n".join(map(printable, lines)))


def describe_network(name: str, checkpoint: le.Checkpoint) -> dict[str, Any]:
    """Say which generator made the images, fit for run.json."""
    with about(name):
        fingerprint = checkpoint.fingerprint
    return {
        "name": name,
        "format": checkpoint.format,
        "fingerprint": fingerprint,
        "img_resolution": checkpoint.config.img_resolution,
        "licence": checkpoint.licence,
        "notes": list(checkpoint.notes),
    }


def describe_direction(direction: le.Direction) -> dict[str, Any]:
    """Say which direction it is, fit for run.json."""
    return {
        "name": direction.name,
        "space": direction.space,
        "sigma": direction.sigma,
        "generator": direction.generator,
        "provenance": direction.provenance,
    }


def network_line(name: str, checkpoint: le.Checkpoint) -> str:
    """Write the generator on one line."""
    side = checkpoint.config.img_resolution
    return f"network    {name}, {side} x {side} px, fingerprint {checkpoint.fingerprint[:12]}"


def preview_lines(precision: str) -> list[str]:
    """Warn of pictures that are only a preview."""
    return [] if precision == "fp32" else [f"preview    rendered in {precision}: repeat in fp32 what you report"]


def alpha_line(direction: le.Direction, alphas: Mapping[Unit, float], layers: str) -> str:
    """Write an edit with its alpha in every unit on one line."""
    conversion = " = ".join(f"{alpha:+.3g} {unit}" for unit, alpha in alphas.items())
    where = {"z": "in z, before mapping", "s": f"style layers {layers}"}.get(direction.space, f"layers {layers}")
    return f"direction  {direction.name}, alpha {conversion}, {where}"


def keep_lines(names: Sequence[str]) -> list[str]:
    """Say which ratings a path holds."""
    return [f"held       {', '.join(names)}, face by face"] if names else []


def format_score(score: float, scale: tuple[float, float]) -> str:
    """Write a score with one decimal of a percent of its scale: 48.8 of 0 to 100, 0.488 of 0 to 1."""
    return f"{score:.{1 if scale[1] - scale[0] > 10 else 3}f}"


def score_cell(
    score: float, scale: tuple[float, float], interval: Sequence[float] | None, at_floor: bool = False
) -> str:
    """Write a score and where the rating lies nine times in ten, where that is known, such as 48.8 [37, 60]."""
    ends = "" if interval is None else f" [{interval[0]:.0f}, {interval[1]:.0f}]"
    return f"{format_score(score, scale)}{ends}{' (floor)' if at_floor else ''}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Align columns: the first `left` to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    aligned = [
        [*map(str.ljust, row[:left], widths[:left]), *map(str.rjust, row[left:], widths[left:])]
        for row in [header, *rows]
    ]
    return ["  ".join(cells).rstrip() for cells in aligned]


def fact_lines(facts: dict[str, Any]) -> list[str]:
    """Write one fact a line; what is odd or assumed takes a line each."""
    spread = {key: facts[key][:MOST_ODDITIES] for key in ("assumed", "odd") if key in facts}
    lines = [f"{key:20} {_shown(value)}" for key, value in facts.items() if key not in spread]
    lines += [f"{key:20} {one_line(text)}" for key, texts in spread.items() for text in texts]
    hidden = len(facts.get("odd", [])) - MOST_ODDITIES
    return [*lines, f"{'odd':20} and {hidden} more, see --json"] if hidden > 0 else lines


def _shown(value: Any) -> str:
    """Write a value on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {_shown(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value)) or "none" if len(value) <= MOST_ITEMS else _shorten(value)
    return f"{value:.6g}" if isinstance(value, float) else one_line(str(value))


def _shorten(values: list[Any] | tuple[Any, ...]) -> str:
    """Write a long list by its ends: numbers by the least and the largest, words by the first and the last."""
    ends = [min(values), max(values)] if all(isinstance(v, int | float) for v in values) else [values[0], values[-1]]
    return f"{_shown(ends[0])} to {_shown(ends[1])} ({len(values)})"
