"""How ratings follow alpha: slopes, ranks, where a curve reaches a level, and bootstrap intervals over faces."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from latentedit.statistics import Estimate, Floats, resample_faces, spearman, summarise_resamples


@dataclass(frozen=True)
class Changes:
    """How far each attribute of each face moved from where it was at alpha 0.

    `values` [num_faces, num_alphas, num_attributes] count standard deviations of faces that nobody
    edited; `alphas` [num_alphas] rise, with 0 among them.
    """

    alphas: Floats
    values: Floats

    def rises(self, attribute: int) -> bool:
        """Tell whether an attribute rises with alpha in the mean over faces."""
        return float(fit_lines(self.alphas, self.values[..., attribute])[0].mean()) >= 0

    def reversed(self) -> Changes:
        """Count alphas the other way."""
        return Changes(-self.alphas[::-1], self.values[:, ::-1])

    def onward(self) -> Changes:
        """Keep the alphas from 0 on."""
        kept = self.alphas >= 0
        return Changes(self.alphas[kept], self.values[:, kept])

    def insert(self, alpha: float, values: Floats) -> Changes:
        """Add what was measured at one more alpha: values [num_faces, num_attributes]."""
        if alpha in self.alphas:
            return self
        at = int(np.searchsorted(self.alphas, alpha))
        return replace(
            self, alphas=np.insert(self.alphas, at, alpha), values=np.insert(self.values, at, values, axis=1)
        )


@dataclass(frozen=True)
class Course:
    """How one attribute follows alpha, means over faces."""

    slope: Estimate  # standard deviations of the attribute for each alpha
    spearman: Estimate  # rank correlation of alpha and rating
    monotone: Estimate  # share of faces whose rating never falls back
    r2: Estimate  # share of a face's variance that a straight line explains
    saturation: Estimate  # slope of the outer half of the alphas over that of the inner half: 1 where it is a line


def describe_course(changes: Changes, attribute: int, seed: int = 0) -> Course:
    """Say how an attribute follows alpha, with intervals over faces."""
    shares, values = resample_faces(len(changes.values), seed=seed), changes.values[..., attribute]
    slopes, r2 = fit_lines(changes.alphas, values)
    rising = (np.diff(values, axis=1) > 0).all(axis=1)
    per_face = [slopes, spearman(changes.alphas[None], values), rising.astype(np.float64), r2]
    curves = shares @ values
    inner = np.abs(changes.alphas) <= np.abs(changes.alphas).max() / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        outer = _mean_slope_outside(changes.alphas, curves, inner)
        saturation = outer / fit_lines(changes.alphas[inner], curves[:, inner])[0]
    slope, rank, monotone, explained = (summarise_resamples(shares @ figure) for figure in per_face)
    return Course(slope, rank, monotone, explained, summarise_resamples(saturation))


def _mean_slope_outside(alphas: Floats, curves: Floats, inner: np.ndarray) -> Floats:
    """Average the slopes from the inner alphas' ends to the ends of all: [..., A] -> [...]."""
    first, last = np.flatnonzero(inner)[[0, -1]]
    rises = curves[..., first] - curves[..., 0] + curves[..., -1] - curves[..., last]
    slope: Floats = rises / (alphas[first] - alphas[0] + alphas[-1] - alphas[last])
    return slope


def fit_lines(alphas: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Fit straight lines by least squares: [A], [..., A] -> slopes [...] and the R^2 of each [...]."""
    x = alphas - alphas.mean()
    y = values - values.mean(axis=-1, keepdims=True)
    slopes = (y * x).sum(axis=-1) / (x * x).sum()
    total = (y * y).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(total > 0, slopes**2 * (x * x).sum() / total, 0.0)
    return slopes, r2


def find_crossings(alphas: Floats, curves: Floats, level: float) -> Floats:
    """Find the least alpha at which curves that start below a level reach it: [A], [..., A] -> [...].

    Between two alphas a curve is a straight line; where it stays below, the answer is no number.
    """
    reached = curves >= level
    after = np.maximum(reached.argmax(axis=-1), 1)[..., None]
    low, high = (np.take_along_axis(curves, after - i, axis=-1)[..., 0] for i in (1, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip((level - low) / (high - low), 0, 1)
    start, end = alphas[after[..., 0] - 1], alphas[after[..., 0]]
    return np.where(reached.any(axis=-1), start + share * (end - start), np.nan)


def read_at(alphas: Floats, curves: Floats, where: Floats) -> Floats:
    """Read curves [..., A, K] at an alpha each, straight between two measured ones: where [...] -> [..., K]."""
    after = np.clip(np.searchsorted(alphas, where), 1, len(alphas) - 1)
    share = (where - alphas[after - 1]) / (alphas[after] - alphas[after - 1])
    low, high = (np.take_along_axis(curves, (after - i)[..., None, None], axis=-2)[..., 0, :] for i in (1, 0))
    read: Floats = low + share[..., None] * (high - low)
    return read


@dataclass(frozen=True)
class Match:
    """What became of all attributes at the alpha where the mean change of the target reaches a level.

    Attribute dependency: Wu et al. 2021, "StyleSpace analysis", section 5.
    """

    alpha: Estimate
    changes: tuple[Estimate, ...]  # mean over faces, attribute by attribute
    sizes: tuple[Estimate, ...]  # mean over faces of the change without its sign
    mean_dependency: Estimate  # mean of the other attributes' sizes
    max_dependency: Estimate  # the largest of them


def find_matching_alphas(changes: Changes, target: int, level: float, seed: int = 0) -> Floats:
    """Find where the target's mean over faces reaches a level, in the sample and each resample: -> [B + 1]."""
    forth, shares = changes.onward(), resample_faces(len(changes.values), seed=seed)
    return find_crossings(forth.alphas, shares @ forth.values[..., target], level)


def match_target(changes: Changes, target: int, alphas: Floats, seed: int = 0) -> Match:
    """Read all attributes at an alpha for the sample and each of its resamples: alphas [B + 1] -> Match."""
    shares, forth = resample_faces(len(changes.values), seed=seed), changes.onward()
    means, sizes = (
        read_at(forth.alphas, _average(shares, values), alphas) for values in (forth.values, np.abs(forth.values))
    )
    others = np.delete(sizes, target, axis=1)
    if not others.size:
        others = np.full((len(shares), 1), np.nan)
    return Match(
        summarise_resamples(alphas),
        tuple(summarise_resamples(column) for column in means.T),
        tuple(summarise_resamples(column) for column in sizes.T),
        summarise_resamples(others.mean(axis=1)),
        summarise_resamples(others.max(axis=1)),
    )


def _average(shares: Floats, values: Floats) -> Floats:
    """Average faces by their shares in each resample: [B, N], [N, A, K] -> [B, A, K]."""
    flat: Floats = shares @ values.reshape(len(values), -1)
    return flat.reshape(-1, *values.shape[1:])
