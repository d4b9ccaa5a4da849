"""Scores cut into low and high, which is all that a classifier sees of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentedit.errors import InputError
from latentedit.statistics import Floats

Flags = NDArray[np.bool_]
RULES = "mean, median or such as quantile:0.1, the lowest and the highest tenth"


@dataclass(frozen=True)
class Labels:
    """Which faces are high and which count at all, [N] each; scores from `threshold` on are high."""

    high: Flags
    kept: Flags
    threshold: float


def label_scores(scores: Floats, rule: str) -> Labels:
    """Label scores [N] by `mean`, `median` or `quantile:Q`: the lowest and highest share Q, the rest left out."""
    share = _parse_rule(rule)
    if share is None:
        threshold = float(scores.mean() if rule == "mean" else np.median(scores))
        return Labels(scores >= threshold, np.ones(len(scores), dtype=bool), threshold)
    low, high = np.quantile(scores, [share, 1 - share])
    if low == high:
        raise InputError(f"labels {rule!r}: both cuts fall on the score {low:g}, take a smaller share")
    return Labels(scores >= high, (scores <= low) | (scores >= high), float(low + high) / 2)


def _parse_rule(rule: str) -> float | None:
    """Read the share of a rule, None where it has none."""
    if rule in ("mean", "median"):
        return None
    kind, _, text = rule.partition(":")
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if kind != "quantile" or not 0 < share <= 0.5:
        raise InputError(f"labels {rule!r}: give {RULES} (the share above 0, at most 0.5)")
    return share
