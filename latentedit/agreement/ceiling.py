"""How well people agree with each other: no predictor can be expected to agree with them better."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentedit.datasets.tables import find_column, parse_column, read_csv
from latentedit.errors import InputError
from latentedit.statistics import Estimate, Floats, spearman

NUM_SPLITS = 100


@dataclass(frozen=True)
class Responses:
    """Single responses: who said what of which image, each [R]; images and raters counted from 0."""

    images: NDArray[np.intp]
    raters: NDArray[np.intp]
    values: Floats


@dataclass(frozen=True)
class Ceiling:
    """The agreement of half the raters with the other half, and what it comes to for all of them.

    `split_half` is the mean of Spearman's correlation over random halves with the percentiles 2.5 and 97.5
    of the halvings; `reliability` the same by Spearman and Brown's 2 r / (1 + r), that of the mean of all
    raters. A perfect predictor would reach the root of the reliability, `limit`.
    """

    split_half: Estimate
    reliability: Estimate
    limit: float
    num_images: int
    num_raters: int


def read_responses(path: Path) -> Responses:
    """Read a CSV with the columns image, rater (or participant) and response, one row a response."""
    rows = read_csv(path)
    image, rater = (find_column(path, rows, names) for names in (["image", "stimulus"], ["rater", "participant"]))
    values = parse_column(path, rows, find_column(path, rows, ["response", "rating"]))
    images, raters = (np.unique([row[column] for row in rows], return_inverse=True)[1] for column in (image, rater))
    if not np.isfinite(values).all():
        raise InputError(f"{path} has responses that are no finite number: drop those rows")
    return Responses(images, raters, np.array(values))


def human_ceiling(responses: Responses, num_splits: int = NUM_SPLITS, seed: int = 0) -> Ceiling:
    """Halve the raters at random, correlate the halves' means over images, and repeat."""
    num_raters = int(responses.raters.max()) + 1
    if num_raters < 2:
        raise InputError("responses of one rater can't be halved: give those of several")
    random = np.random.default_rng(seed)
    halvings = [random.permutation(num_raters) % 2 == 0 for _ in range(num_splits)]
    halves = np.array([_correlate_halves(responses, chosen) for chosen in halvings])
    if not np.isfinite(halves).all():
        raise InputError("the two halves of the raters share too few images: give more responses to each image")
    whole = 2 * halves / (1 + halves)
    reliability = _summarise(whole)
    limit = float(np.sqrt(max(reliability.value, 0.0)))
    return Ceiling(_summarise(halves), reliability, limit, int(responses.images.max()) + 1, num_raters)


def _correlate_halves(responses: Responses, chosen: NDArray[np.bool_]) -> float:
    """Correlate the images' means by the chosen raters with those by the others, where both rated."""
    half = chosen[responses.raters]
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (_average(responses, kept) for kept in (half, ~half))
        both = np.isfinite(first) & np.isfinite(second)
        return float(spearman(first[both], second[both])) if both.sum() > 2 else np.nan


def _average(responses: Responses, kept: NDArray[np.bool_]) -> Floats:
    """Average responses by image: -> [num_images], no number where there is no response."""
    count = int(responses.images.max()) + 1
    sums = np.bincount(responses.images[kept], responses.values[kept], count)
    means: Floats = sums / np.bincount(responses.images[kept], minlength=count)
    return means


def _summarise(values: Floats) -> Estimate:
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))
