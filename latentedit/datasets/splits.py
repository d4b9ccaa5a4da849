"""Images dealt to splits and folds, copies of one image always together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latentedit.errors import InputError

SPLITS = {"train": 0.8, "val": 0.1, "test": 0.1}


def deal_splits(digests: Sequence[str], seed: int) -> list[str]:
    """Deal images to train, val and test, 8 : 1 : 1, by a seed: content hashes [N] -> names [N]."""
    order = _shuffle(digests, np.random.default_rng(seed))
    ends = np.cumsum(list(SPLITS.values())) * (order.max() + 1)
    if order.max() < 9:
        raise InputError(f"{order.max() + 1} different images can't be split: give ten or more")
    return [list(SPLITS)[int(np.searchsorted(ends, place, side="right"))] for place in order]


def deal_folds(digests: Sequence[str], num_folds: int, num_repeats: int, seed: int) -> NDArray[np.int64]:
    """Deal images to folds anew in each repeat: content hashes [N] -> [num_repeats, N] in 0 to num_folds - 1."""
    if not 2 <= num_folds <= len(set(digests)):
        raise InputError(f"{num_folds} folds of {len(set(digests))} different images: give 2 or more, not so many")
    random = np.random.default_rng(seed)
    return np.stack([_shuffle(digests, random) % num_folds for _ in range(num_repeats)])


def _shuffle(digests: Sequence[str], random: np.random.Generator) -> NDArray[np.int64]:
    """Place the different images in a random order: -> the place of each image's content [N]."""
    contents, rows = np.unique(np.array(digests), return_inverse=True)
    places: NDArray[np.int64] = random.permutation(len(contents))[rows]
    return places
