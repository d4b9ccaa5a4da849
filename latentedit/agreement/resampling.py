"""The paired bootstrap: an image's score and all its predictions are drawn together, or not at all."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from latentedit.errors import InputError
from latentedit.statistics import Floats

Rows = NDArray[np.intp]
AT_ONCE = 2**21  # numbers of resampled scores held at a time
FEWEST = 10  # images of which a correlation says anything


def draw_rows(count: int, num_resamples: int, seed: int) -> Rows:
    """Draw resamples of images: -> rows [num_resamples + 1, count], the first of which is the sample itself."""
    if count < FEWEST:
        raise InputError(f"{count} images are too few to say how well a predictor does: give {FEWEST} or more")
    drawn = np.random.default_rng(seed).integers(count, size=(num_resamples, count))
    return np.concatenate([np.arange(count)[None], drawn])


def resample(figure: Callable[..., Floats], rows: Rows, values: Sequence[Floats]) -> Floats:
    """Compute a figure of paired values [N] each, in every resample [B, N]: -> [B], no number where there is none."""
    parts = np.array_split(rows, -(-rows.size // AT_ONCE))
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.concatenate([figure(*(value[part] for value in values)) for part in parts])
