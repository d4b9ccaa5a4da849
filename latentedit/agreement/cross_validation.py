"""Repeated k-fold: every image predicted by networks that never saw it, nor a copy of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentedit.agreement.figures import FIGURES
from latentedit.agreement.resampling import draw_rows, resample
from latentedit.datasets import deal_folds
from latentedit.statistics import Estimate, Floats, summarise_resamples

Rows = NDArray[np.intp]
Fit = Callable[[Rows, Rows, int], Floats]  # rows to train on, rows to predict, a seed -> predictions of the latter


@dataclass(frozen=True)
class CrossValidation:
    """Predictions for left-out images [num_repeats, N], and figures: means over the repeats, intervals over images."""

    predictions: Floats
    figures: dict[str, Estimate]


def cross_validate(
    fit: Fit, scores: Floats, digests: Sequence[str], num_folds: int = 5, num_repeats: int = 1, seed: int = 0
) -> CrossValidation:
    """Train on all folds but one, predict that one, and so on through the folds, dealt anew in each repeat.

    `digests` are the images' content hashes: copies share a fold. An interval is that of one set of
    trained networks over images; how far another training would differ is not in it.
    """
    folds = deal_folds(digests, num_folds, num_repeats, seed)
    predictions = np.full(folds.shape, np.nan)
    for repeat, fold in np.ndindex(num_repeats, num_folds):
        test = folds[repeat] == fold
        rows = np.flatnonzero(~test), np.flatnonzero(test)
        predictions[repeat, test] = fit(*rows, seed + repeat * num_folds + fold)
    return CrossValidation(predictions, _average_figures(scores, predictions, seed))


def _average_figures(scores: Floats, predictions: Floats, seed: int) -> dict[str, Estimate]:
    """Average each figure over the repeats, in every resample of the images."""
    rows = draw_rows(len(scores), 1000, seed)
    return {
        name: summarise_resamples(np.mean([resample(figure, rows, [scores, row]) for row in predictions], axis=0))
        for name, figure in FIGURES.items()
    }
