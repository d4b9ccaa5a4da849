"""How well predictions rank and separate: correlations and shares with their intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def spearman(a: Floats, b: Floats) -> Floats:
    """Correlate the ranks along the last axis: [..., N], [..., N] -> [...]."""
    from scipy.stats import rankdata  # takes half a second, which most commands need not pay

    x, y = rankdata(a, axis=-1), rankdata(b, axis=-1)
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    rho: Floats = (x * y).sum(axis=-1) / np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    return rho


def bootstrap_spearman(a: Floats, b: Floats, seed: int, num_resamples: int = 1000) -> tuple[float, float]:
    """Compute the 95 % percentile interval of Spearman's correlation over faces: [N], [N] -> low, high."""
    rows = np.random.default_rng(seed).integers(len(a), size=(num_resamples, len(a)))
    low, high = np.nanpercentile(spearman(a[rows], b[rows]), [2.5, 97.5])
    return float(low), float(high)


def kendall(a: Floats, b: Floats) -> float:
    """Compute Kendall's tau-b, the excess of pairs in the same order over pairs in opposite order: [N], [N] -> tau."""
    from scipy.stats import kendalltau

    return float(kendalltau(a, b).statistic)


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """Compute Wilson's 95 % interval of a share of hits: -> low, high."""
    from scipy.stats import binomtest

    interval = binomtest(hits, count).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
