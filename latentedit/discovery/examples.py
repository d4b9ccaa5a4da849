"""What every supervised method learns from, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latentedit.discovery.labels import Flags, Labels
from latentedit.statistics import Floats


@dataclass(frozen=True)
class Examples:
    """Latents as rows x [N, D] with their scores [N], and the scores' labels.

    `copies` is how often the space repeats a row of x: num_ws in W, once elsewhere.
    """

    x: Floats
    scores: Floats
    labels: Labels
    copies: int = 1

    def labelled(self) -> tuple[Floats, Flags]:
        """Pick the rows that count, and whether each is high."""
        kept = self.labels.kept
        return (self.x, self.labels.high) if kept.all() else (self.x[kept], self.labels.high[kept])

    def split(self, held_out: Flags) -> tuple[Examples, Examples]:
        """Part the faces: -> those to fit, in float64, and those held out."""
        return self._pick(~held_out), self._pick(held_out)

    def _pick(self, rows: Flags) -> Examples:
        labels = Labels(self.labels.high[rows], self.labels.kept[rows], self.labels.threshold)
        return Examples(self.x[rows].astype(np.float64), self.scores[rows], labels, self.copies)


@dataclass(frozen=True)
class Hyperplane:
    """Where x @ normal + intercept is above zero, faces are taken to be high; `settings` are the method's own."""

    normal: Floats
    intercept: float
    settings: dict[str, float]

    def signed_distances(self, x: Floats) -> Floats:
        """Compute x @ normal + intercept: [N, D] -> [N]."""
        distances: Floats = x @ self.normal + self.intercept
        return distances


Method = Callable[[Examples], Hyperplane]
