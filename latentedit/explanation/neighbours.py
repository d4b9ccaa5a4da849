"""How alone an image stands among others, and whether that goes with its score."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.predictors.distinctiveness import nearest_distances
from latentedit.statistics import Estimate, Floats, bootstrap_spearman, spearman

NEAR = 10  # neighbours whose mean distance says how dense a place is


@dataclass(frozen=True)
class Standing:
    """Distances of images to their nearest neighbour and to their nearest ten, z-scored: [N] each."""

    nearest: Floats
    sparsity: Floats

    def measures(self) -> dict[str, Floats]:
        return {"distinctiveness": self.nearest, "sparsity": self.sparsity}


def find_standing(rows: Tensor, near: int = NEAR, chunk: int = 256) -> Standing:
    """Measure how alone each row stands: [N, D] -> distances to the nearest and the mean of `near`, z-scored.

    Density is the other way around: where sparsity is low, many are near. Raises InputError for fewer than 3 rows.
    """
    if len(rows) < 3:
        raise InputError(f"{len(rows)} images: give 3 or more to say how alone one stands")
    near = min(near, len(rows) - 1)
    means = []
    for start in range(0, len(rows), chunk):
        distances = torch.cdist(rows[start : start + chunk].double(), rows.double())
        means.append(distances.topk(near + 1, largest=False).values.sum(dim=1) / near)  # its own distance is 0
    return Standing(_standardise(nearest_distances(rows)), _standardise(torch.cat(means)))


def _standardise(values: Tensor) -> Floats:
    return ((values - values.mean()) / values.std().clamp(min=1e-12)).double().numpy()


def correlate(measures: Mapping[str, Floats], scores: Mapping[str, Floats], seed: int = 0) -> dict[str, list[Estimate]]:
    """Correlate measures with scores by ranks: -> by measure an estimate for each score, with 95 % intervals."""
    with np.errstate(invalid="ignore"):  # a resample of one face many times has no ranks
        return {
            name: [Estimate(float(spearman(x, y)), *bootstrap_spearman(x, y, seed)) for y in scores.values()]
            for name, x in measures.items()
        }


def write_standing(path: Path, names: Sequence[str], standing: Standing, scores: Mapping[str, Floats]) -> None:
    """Write a row an image: its name, what `standing` says of it, its scores."""
    columns = {**standing.measures(), **scores}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *columns])
        writer.writerows(
            [name, *row] for name, row in zip(names, np.stack(list(columns.values()), 1).tolist(), strict=True)
        )
