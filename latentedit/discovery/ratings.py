"""A user's own scores: a table for seeds or latents, or the scores in a file of latents."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latentedit.arrays import load_content
from latentedit.errors import InputError, about
from latentedit.ranges import LARGEST_SEED

LARGEST = {"seed": LARGEST_SEED, "latent": 2**31}


@dataclass(frozen=True)
class Ratings:
    """Scores [N] of faces, known by seeds, by rows of a file of latents, or by their order alone."""

    scores: Tensor
    seeds: tuple[int, ...] | None = None
    latents: tuple[int, ...] | None = None


def read_ratings(path: Path) -> Ratings:
    """Read a .csv with a column `score`, and `seed` or `latent` (a row of the latents, from 0) where order is not all.

    Raises InputError naming the line of what is no number.
    """
    with about(path), path.open(newline="", encoding="utf-8-sig") as file:
        try:
            lines = list(csv.DictReader(file))
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError("is no table of text: save it as .csv") from error
        columns = set(lines[0]) if lines else set()
        if "score" not in columns or {"seed", "latent"} <= columns:
            raise InputError("needs a head line and a column score, beside it seed, latent or neither")
        scores = torch.tensor([_read_number(line["score"], i) for i, line in enumerate(lines)])
        numbers = {key: _read_column(lines, key) for key in ("seed", "latent") if key in columns}
        return Ratings(scores, numbers.get("seed"), numbers.get("latent"))


def _read_column(lines: list[dict[str, str]], key: str) -> tuple[int, ...]:
    """Read a column of whole numbers, each but once."""
    numbers = [_read_number(line[key], i) for i, line in enumerate(lines)]
    seen: set[float] = set()
    for i, number in enumerate(numbers):
        if number != int(number) or not 0 <= number <= LARGEST[key] or number in seen:
            problem = "comes twice" if number in seen else "is none"
            raise InputError(f"line {i + 2}: {key} {number:g} {problem}, give whole numbers from 0 on, each once")
        seen.add(number)
    return tuple(int(number) for number in numbers)


def _read_number(text: str | None, row: int) -> float:
    """Read one finite number of a row."""
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"line {row + 2}: {str(text)[:40]!r} is no finite number, mend it or leave the line out")
    return number


def read_scores(path: Path) -> Tensor | None:
    """Read the scores [N] that lie beside latents, an .npz with the key `scores`; None where there are none."""
    with about(path):
        content = load_content(path)
        scores = content.get("scores") if isinstance(content, dict) else None
        if scores is None:
            return None
        if not isinstance(scores, np.ndarray) or scores.dtype.kind not in "fiu" or scores.ndim != 1:
            raise InputError("holds scores that are no row of numbers: give one score for each face")
        return torch.from_numpy(scores.astype(np.float64))
