"""The figures of agreement between scores and predictions, each over the last axis, so that resamples go at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from latentedit.statistics import Floats, spearman

Figure = Callable[[Floats, Floats], Floats]  # scores [..., N], predictions [..., N] -> [...]


def pearson(scores: Floats, predictions: Floats) -> Floats:
    """Correlate linearly: [..., N], [..., N] -> [...] in [-1, 1]."""
    x, y = (values - values.mean(axis=-1, keepdims=True) for values in (scores, predictions))
    r: Floats = (x * y).sum(axis=-1) / np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    return r


def r2(scores: Floats, predictions: Floats) -> Floats:
    """Compute 1 - mean (score - prediction)^2 / variance of scores: 0 for who always says the mean, below for worse."""
    share: Floats = 1 - ((scores - predictions) ** 2).mean(axis=-1) / scores.var(axis=-1)
    return share


def mae(scores: Floats, predictions: Floats) -> Floats:
    """Average |score - prediction|: [..., N], [..., N] -> [...]."""
    error: Floats = np.abs(scores - predictions).mean(axis=-1)
    return error


def rmse(scores: Floats, predictions: Floats) -> Floats:
    """Take the root of the mean square of score - prediction: [..., N], [..., N] -> [...]."""
    error: Floats = np.sqrt(((scores - predictions) ** 2).mean(axis=-1))
    return error


def roc_auc(scores: Floats, predictions: Floats) -> Floats:
    """Compute how often an image above the median score is predicted above one that is not; ties count half.

    [..., N], [..., N] -> [...]. From the ranks, as Mann and Whitney's U.
    """
    from scipy.stats import rankdata

    above = scores > np.median(scores, axis=-1, keepdims=True)
    ranks, count = rankdata(predictions, axis=-1), above.sum(axis=-1)
    wins = (ranks * above).sum(axis=-1) - count * (count + 1) / 2
    area: Floats = wins / (count * (scores.shape[-1] - count))
    return area


FIGURES: dict[str, Figure] = {
    "Spearman": spearman,
    "Pearson": pearson,
    "R2": r2,
    "MAE": mae,
    "RMSE": rmse,
    "ROC-AUC": roc_auc,
}
ERRORS = ("MAE", "RMSE")  # lower is better
