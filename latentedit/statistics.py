"""How well predictions rank and separate: correlations and shares with their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % bootstrap interval; not a number where it cannot be had."""

    value: float
    low: float
    high: float


def resample_faces(num_faces: int, num_resamples: int = 1000, seed: int = 0) -> Floats:
    """Draw bootstrap resamples as the share of each face in each: -> [num_resamples + 1, num_faces].

    The first row is the sample itself, so that `shares @ values` is the mean and all its resamples at once.
    """
    counts = np.random.default_rng(seed).multinomial(num_faces, [1 / num_faces] * num_faces, num_resamples)
    return np.concatenate([np.ones((1, num_faces)), counts]) / num_faces


def summarise_resamples(figures: Floats) -> Estimate:
    """Reduce a figure of the sample and of each of its resamples to an estimate: [num_resamples + 1] -> Estimate.

    The interval is that of the percentiles 2.5 and 97.5, and no number where more resamples than that give none.
    """
    if not np.isfinite(figures[0]):
        return Estimate(math.nan, math.nan, math.nan)
    drawn = np.sort(figures[1:])  # what is no number comes last
    low, high = (drawn[round(share * (len(drawn) - 1))] for share in (0.025, 0.975))
    return Estimate(float(figures[0]), float(low), float(high))


def rescale(values: Floats, scale: tuple[float, float], to: tuple[float, float]) -> Floats:
    """Take numbers from one stated scale to another: the ends of `scale` become the ends of `to`."""
    share = (values - scale[0]) / (scale[1] - scale[0])
    moved: Floats = to[0] + share * (to[1] - to[0])
    return moved
