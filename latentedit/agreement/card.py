"""What there is to say of one predictor on rated images, and of two on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from latentedit.agreement.figures import FIGURES
from latentedit.agreement.resampling import FEWEST, Rows, draw_rows, resample
from latentedit.errors import InputError
from latentedit.statistics import Estimate, Floats, spearman, summarise_resamples
from latentedit.training.calibration import measure_calibration

NUM_RESAMPLES = 1000


@dataclass(frozen=True)
class Card:
    """A predictor's figures, each with its 95 % interval over images.

    `within` is the mean of the categories' own Spearman correlations, weighted by their images: what is
    left of the pooled one when the categories' means no longer count. None where there are no categories.
    """

    predictor: str
    scores: Floats
    predictions: Floats
    figures: dict[str, Estimate]
    within: Estimate | None
    categories: dict[str, Estimate]
    calibration: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """The figures of one predictor less those of another on the same images, in the same resamples."""

    first: str
    second: str
    differences: dict[str, Estimate]


def judge(
    predictor: str,
    scores: Floats,
    predictions: Floats,
    categories: Sequence[str] = (),
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Card:
    """Measure how predictions [N] agree with scores [N]; `categories` names each image's, or is empty."""
    _require_numbers(predictor, predictions)
    rows = draw_rows(len(scores), num_resamples, seed)
    figures = {name: summarise_resamples(resample(f, rows, [scores, predictions])) for name, f in FIGURES.items()}
    apart = _split(scores, predictions, categories, num_resamples, seed)
    return Card(
        predictor,
        scores,
        predictions,
        figures,
        _average(apart),
        {name: summarise_resamples(resamples) for name, (_, resamples) in apart.items()},
        measure_calibration(torch.from_numpy(predictions), torch.from_numpy(scores)),
    )


def compare(first: Card, second: Card, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> Comparison:
    """Subtract the figures of two predictors of the same images, resample by resample."""
    if not np.array_equal(first.scores, second.scores):
        raise InputError(f"{first.predictor} and {second.predictor} rated other images: give both the same")
    rows = draw_rows(len(first.scores), num_resamples, seed)
    differences = {
        name: resample(figure, rows, [first.scores, first.predictions])
        - resample(figure, rows, [second.scores, second.predictions])
        for name, figure in FIGURES.items()
    }
    estimates = {name: summarise_resamples(difference) for name, difference in differences.items()}
    return Comparison(first.predictor, second.predictor, estimates)


def _require_numbers(predictor: str, predictions: Floats) -> None:
    if not np.isfinite(predictions).all():
        count = int((~np.isfinite(predictions)).sum())
        raise InputError(f"{predictor} gave {count} images no finite number: leave those out, or train it again")


def _split(
    scores: Floats, predictions: Floats, categories: Sequence[str], num_resamples: int, seed: int
) -> dict[str, tuple[int, Floats]]:
    """Correlate within each category of ten images or more, in resamples of its own: -> counts and [B + 1] each."""
    names = np.array(categories)
    apart = {}
    for i, name in enumerate(sorted(set(categories) - {""})):
        kept = names == name
        if kept.sum() >= FEWEST:
            rows: Rows = draw_rows(int(kept.sum()), num_resamples, seed + i)
            apart[name] = (int(kept.sum()), resample(spearman, rows, [scores[kept], predictions[kept]]))
    return apart


def _average(apart: dict[str, tuple[int, Floats]]) -> Estimate | None:
    """Average categories by their images, in every resample."""
    if not apart:
        return None
    counts, resamples = zip(*apart.values(), strict=True)
    return summarise_resamples(np.average(np.stack(resamples), axis=0, weights=counts))
