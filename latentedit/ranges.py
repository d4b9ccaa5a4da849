"""The notation for seeds and layers: `0-3,7`, both ends included."""

from __future__ import annotations

import re
from collections.abc import Sequence

from latentedit.errors import InputError

LAYER_NAMES = {"coarse": (0, 3), "middle": (4, 7), "fine": (8, None)}
LARGEST_SEED = 2**32 - 1  # numpy's RandomState takes no larger one


def parse_seeds(text: str) -> list[int]:
    """Read `0-3,7` as [0, 1, 2, 3, 7]: every seed once, in the order given."""
    seeds = _parse_ranges(text, "seeds")
    if max(seeds) > LARGEST_SEED:
        raise InputError(f"seeds {text!r}: {max(seeds)} is too large, the largest seed is {LARGEST_SEED}")
    return seeds


def parse_layers(text: str, num_ws: int, rows: Sequence[int] | None = None) -> tuple[int, ...]:
    """Read `all`, `4-7`, `0-3,7`, `coarse`, `middle` or `fine` as rows of ws, sorted, each once.

    Of style layers, give their number and `rows`, the row of ws that feeds each: a name means the
    layers that its rows feed, a number the layer itself.
    """
    rows = range(num_ws) if rows is None else rows
    if text.strip() == "all":
        return tuple(range(num_ws))
    layers: set[int] = set()
    for part in text.split(","):
        layers.update(_parse_layer_part(part.strip(), text, rows))
    if max(layers) >= num_ws:
        raise InputError(f"layers {text!r}: this generator has layers 0-{num_ws - 1}")
    return tuple(sorted(layers))


def parse_indices(text: str, count: int) -> list[int]:
    """Read `0-3,7` as positions among `count` things."""
    indices = _parse_ranges(text, "indices")
    if max(indices) >= count:
        raise InputError(f"indices {text!r}: there are {count}, 0-{count - 1}")
    return indices


def _parse_layer_part(part: str, text: str, rows: Sequence[int]) -> list[int]:
    """Read one name or range of layers."""
    if part not in LAYER_NAMES:
        hint = f"layers {text!r}" if part == text.strip() else f"layers {text!r}, part {part!r}"
        return _parse_range(part, hint, "write all, coarse, middle, fine or layers such as 0-3,7")
    first, last = LAYER_NAMES[part]
    named = [i for i, row in enumerate(rows) if first <= row <= (max(rows) if last is None else last)]
    if not named:
        raise InputError(f"layers {text!r}: {part} starts at layer {first}, this generator has 0-{max(rows)}")
    return named


def format_ranges(numbers: Sequence[int]) -> str:
    """Write [0, 1, 2, 3, 7] as `0-3,7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _parse_ranges(text: str, what: str) -> list[int]:
    """Read a comma-separated list of numbers and ranges, dropping repeats."""
    parts = [_parse_range(part.strip(), f"{what} {text!r}", f"write {what} such as 0-3,7") for part in text.split(",")]
    return list(dict.fromkeys(number for part in parts for number in part))


def _parse_range(part: str, hint: str, mend: str) -> list[int]:
    """Read `7` or `0-3`."""
    match = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", part, re.ASCII)
    if match is None:
        raise InputError(f"{hint} is not a list of ranges: {mend}")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise InputError(f"{hint}: the range {part} is reversed, write {last}-{first}")
    if last - first >= 10_000_000:
        raise InputError(f"{hint}: the range {part} is too long, split it")
    return list(range(first, last + 1))
