"""Do predictions mean what they say: their spread, their reliability, and intervals that hold."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from latentedit.predictors.attributes import COVERAGE

NUM_BINS = 10  # of a reliability diagram


def conformal_half_width(residuals: Tensor, coverage: float = COVERAGE) -> Tensor:
    """Find the ceil((n + 1) coverage)-th smallest |residual|, infinite beyond the last: [N, A] -> [A].

    A new residual exchangeable with these lies within it with at least that probability (Lei et
    al. 2018, section 2.2), whatever the distribution.
    """
    rank = math.ceil((len(residuals) + 1) * coverage)
    if rank > len(residuals):
        return residuals.new_full(residuals.shape[1:], math.inf)
    return residuals.abs().kthvalue(rank, dim=0).values


def measure_coverage(residuals: Tensor) -> Tensor:
    """Measure how often an interval made on every other face holds for the faces between: [N, A] -> [A]."""
    even, odd = residuals[::2], residuals[1::2]
    held = [test.abs() <= conformal_half_width(known) for known, test in ((even, odd), (odd, even))]
    return torch.cat(held).double().mean(dim=0)


def measure_reliability(predictions: Tensor, ratings: Tensor) -> dict[str, list[float]]:
    """Average predictions and ratings in tenths of the faces, in the order of prediction: [N], [N] -> two lists."""
    order = predictions.argsort()
    tenths = [part for part in order.tensor_split(NUM_BINS) if len(part)]
    means = {"predicted": predictions, "rated": ratings}
    return {name: [round(float(values[part].mean()), 3) for part in tenths] for name, values in means.items()}


def measure_calibration(predictions: Tensor, ratings: Tensor) -> dict[str, Any]:
    """Hold one attribute's predictions for left-out faces against its ratings: [N], [N] -> figures.

    `slope` is that of the ratings on the predictions, 1 where a difference in score means as large
    a one in rating; `spread` is the predictions' standard deviation in units of the ratings'.
    """
    x, y = predictions - predictions.mean(), ratings - ratings.mean()
    return {
        "bias": float(predictions.mean() - ratings.mean()),
        "slope": float((x * y).sum() / (x * x).sum()),
        "spread": float(predictions.std() / ratings.std()),
        "coverage": float(measure_coverage((ratings - predictions)[:, None])),
        "half_width": float(conformal_half_width((ratings - predictions)[:, None])),
        "reliability": measure_reliability(predictions, ratings),
    }
