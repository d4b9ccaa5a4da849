"""Which features go with a score: rank correlations with intervals, corrected for how many were tried."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentedit.errors import InputError
from latentedit.evaluation.pictures import COLOURS, make_figure
from latentedit.statistics import Estimate, Floats, resample_faces, summarise_resamples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST = 10  # images
SURE = 0.05
NOTHING = 1e-12  # of the variance: what rounding leaves
ABSENT = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Correlation:
    """How a feature goes with a score: Spearman's rho with its 95 % interval, and its p as it is and corrected.

    `partial` holds what is left where covariates are held; `within` where images are compared within their category
    only. Both are no numbers where nothing was given to hold.
    """

    feature: str
    score: str
    rho: Estimate
    p: float
    p_holm: float
    p_bh: float
    partial: Estimate
    within: Estimate


def correlate_features(
    features: Mapping[str, Floats],
    scores: Mapping[str, Floats],
    covariates: Sequence[Floats] = (),
    categories: Sequence[str] | None = None,
    seed: int = 0,
) -> list[Correlation]:
    """Correlate every feature [N] with every score [N]: -> a row a pair, corrected over all pairs.

    p is of the t distribution; Holm's correction bounds the chance of any false find, Benjamini and Hochberg's (`p_bh`)
    the share of false finds. A feature that does not vary is left out. Raises InputError for fewer than 10 images.
    """
    pairs = [(f, s) for f in features for s in scores if np.ptp(features[f]) > 0 and np.ptp(scores[s]) > 0]
    num_images = len(next(iter(scores.values())))
    if num_images < FEWEST or not pairs:
        raise InputError(f"{num_images} images: give {FEWEST} or more that differ, to correlate their features")
    shares = resample_faces(num_images, seed=seed)
    plain = _estimate_all(features, scores, pairs, shares, [])
    partial = _estimate_all(features, scores, pairs, shares, [_rank(values) for values in covariates])
    within = _estimate_all(features, scores, pairs, shares, _dummies(categories or ()))
    ps = np.array([_test(estimate.value, num_images) for estimate in plain])
    corrected = zip(ps.tolist(), holm(ps).tolist(), benjamini_hochberg(ps).tolist(), strict=True)
    return [
        Correlation(*pair, rho, *p, held if covariates else ABSENT, inside if categories else ABSENT)
        for pair, rho, p, held, inside in zip(pairs, plain, corrected, partial, within, strict=True)
    ]


def _estimate_all(
    features: Mapping[str, Floats],
    scores: Mapping[str, Floats],
    pairs: Sequence[tuple[str, str]],
    shares: Floats,
    held: Sequence[Floats],
) -> list[Estimate]:
    """Correlate the ranks of pairs, less what is linear in `held`, in the sample and its resamples.

    Ranks are taken once, in the sample.
    """
    x = {name: _leave_out(_rank(values), held) for name, values in features.items()}
    y = {name: _leave_out(_rank(values), held) for name, values in scores.items()}
    return [summarise_resamples(_correlate(x[feature], y[score], shares)) for feature, score in pairs]


def _rank(values: Floats) -> Floats:
    from scipy.stats import rankdata

    ranks = rankdata(values)
    centred: Floats = (ranks - ranks.mean()) / len(ranks)
    return centred


def _leave_out(ranks: Floats, held: Sequence[Floats]) -> Floats:
    """Subtract the least-squares fit by what is held, and a constant."""
    if not held:
        return ranks
    design = np.stack([np.ones(len(ranks)), *held], axis=1)
    rest: Floats = ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0]
    kept: Floats = rest if (rest**2).sum() > NOTHING * (ranks**2).sum() else np.zeros_like(rest)
    return kept


def _correlate(x: Floats, y: Floats, shares: Floats) -> Floats:
    """Correlate with every resample's shares of the images: [N], [N], [R, N] -> [R]."""
    mean_x, mean_y = shares @ x, shares @ y
    spread = (shares @ x**2 - mean_x**2) * (shares @ y**2 - mean_y**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho: Floats = (shares @ (x * y) - mean_x * mean_y) / np.sqrt(spread)
    return rho


def _dummies(categories: Sequence[str]) -> list[Floats]:
    """Mark the images of every category but the first: -> [N] of 0 and 1 each."""
    names = np.array(categories)
    return [(names == name).astype(np.float64) for name in np.unique(names)[1:]]


def _test(rho: float, num_images: int) -> float:
    """Compute the two-sided p of a correlation by the t distribution."""
    from scipy.stats import t

    rho = min(max(rho, -1 + 1e-12), 1 - 1e-12)
    return float(2 * t.sf(abs(rho) * math.sqrt((num_images - 2) / (1 - rho**2)), num_images - 2))


def holm(ps: Floats) -> Floats:
    """Correct p values so that the chance of any false find is bounded (Holm 1979): [K] -> [K]."""
    order = np.argsort(ps)
    steps = ps[order] * np.arange(len(ps), 0, -1)
    corrected = np.empty_like(ps)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected


def benjamini_hochberg(ps: Floats) -> Floats:
    """Correct p values so that the share of false finds is bounded (Benjamini & Hochberg 1995): [K] -> [K]."""
    from scipy.stats import false_discovery_control

    corrected: Floats = false_discovery_control(ps)
    return corrected


def write_correlations(path: Path, found: Sequence[Correlation]) -> None:
    """Write a row a pair; what is no number stays empty."""
    kinds = ("rho", "partial", "within")
    header = ["feature", "score", "p", "p_holm", "p_bh"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*header, *(f"{kind}{end}" for kind in kinds for end in ("", "_low", "_high"))])
        for one in found:
            estimates = [getattr(one, kind) for kind in kinds]
            numbers = [x for e in estimates for x in (e.value, e.low, e.high)]
            cells = [f"{x:.6g}" if math.isfinite(x) else "" for x in numbers]
            writer.writerow([*(getattr(one, name) for name in header), *cells])


def draw_correlations(found: Sequence[Correlation], most: int = 6) -> Figure:
    """Draw features' correlations with intervals, full where `p_bh` is under .05; a colour for each of 6 scores."""
    scores = list(dict.fromkeys(one.score for one in found))[:most]
    first = {one.feature: one.rho.value for one in found if one.score == scores[0]}
    order = sorted(first, key=lambda name: first[name])
    figure = make_figure(7, 1.2 + 0.28 * len(order))
    axes = figure.subplots()
    for i, score in enumerate(scores):
        for one in (one for one in found if one.score == score and one.feature in first):
            y, rho = order.index(one.feature) + 0.6 * ((i + 0.5) / len(scores) - 0.5), one.rho
            reach = [[rho.value - rho.low], [rho.high - rho.value]]
            face = COLOURS[i] if one.p_bh < SURE else "white"
            axes.errorbar([rho.value], [y], xerr=reach, fmt="o", color=COLOURS[i], markerfacecolor=face, markersize=5)
        axes.plot([], [], "o", color=COLOURS[i], label=score)
    axes.axvline(0, color="#bbbbbb", linewidth=0.8)
    axes.set_yticks(range(len(order)), order)
    axes.set_xlabel("Spearman's rho, 95 % interval; full: p (BH) < .05")
    axes.spines[["top", "right"]].set_visible(False)
    if len(scores) > 1:
        axes.legend(frameon=False, fontsize=8)
    return figure
