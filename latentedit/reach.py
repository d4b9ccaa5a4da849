"""How far an edit must go for a wanted score: the smallest alpha of a face, within a bound and a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.predictors import score_together
from latentedit.scoring import Scorer

Show = Callable[[Sequence[float]], Tensor]
"""From alphas to images of one face [num_alphas, 3, H, W] in [-1, 1]."""

STEP = 0.5  # of alpha, between two looks on the way out
HALVINGS = 8  # of the step in which the score is passed


@dataclass(frozen=True)
class Limit:
    """How far another score may move, in the units of its scores."""

    scorer: Scorer
    most: float


@dataclass(frozen=True)
class Reach:
    """How far one face went."""

    alpha: float
    score: float
    is_reached: bool
    stopped_by: str = ""  # what kept it from the wanted score: `bound`, or the name of a limit's scorer


@torch.no_grad()
def reach_score(show: Show, scorer: Scorer, target: float, bound: float = 6.0, limits: Sequence[Limit] = ()) -> Reach:
    """Find the smallest alpha, up to `bound` either way, at which a face's score reaches a target: -> Reach.

    It walks from 0 in steps of half an alpha, the way in which the score nears the target, and halves
    the step that passes it, so that the answer lies within .002 of the first crossing that such steps
    can see. No other score may move by more than its limit on the way. Where the target is out of
    reach, the answer is the farthest step that kept within bounds and limits.
    """
    if not bound > 0 or any(not limit.most > 0 for limit in limits):
        raise InputError(f"bound {bound:g}, limits {[limit.most for limit in limits]}: give numbers above 0")
    walk = _Walk(show, scorer, target, limits)
    if walk.passes(walk.start):
        return Reach(0.0, walk.start[0], is_reached=True)
    step, last, best = min(STEP, bound), 0.0, Reach(0.0, walk.start[0], is_reached=False, stopped_by="bound")
    sign = walk.find_side(step)
    while last < bound:
        at = min(last + step, bound)
        scores = walk.scores_at(sign * at)
        if walk.passes(scores):
            alpha = sign * walk.halve(sign, last, at)
            return walk.judge(alpha, best)
        if stopped := walk.exceeded(scores):
            return Reach(best.alpha, best.score, is_reached=False, stopped_by=stopped)
        last, best = at, Reach(sign * at, scores[0], is_reached=False, stopped_by="bound")
    return best


class _Walk:
    """One face on its way to a score."""

    def __init__(self, show: Show, scorer: Scorer, target: float, limits: Sequence[Limit]) -> None:
        self.show, self.target, self.limits = show, target, limits
        self.scorers = [scorer, *(limit.scorer for limit in limits)]
        self.start = self.scores_at(0.0)
        self.rises = target >= self.start[0]

    def scores_at(self, alpha: float) -> list[float]:
        """Score the face at an alpha: the score that is wanted, then those that are limited."""
        scores: list[float] = score_together(self.scorers, self.show([alpha]))[0].tolist()
        return scores

    def passes(self, scores: Sequence[float]) -> bool:
        """Tell whether the wanted score has been reached."""
        return scores[0] >= self.target if self.rises else scores[0] <= self.target

    def exceeded(self, scores: Sequence[float]) -> str:
        """Name the first score that moved beyond its limit, if one did."""
        for limit, before, now in zip(self.limits, self.start[1:], scores[1:], strict=True):
            if abs(now - before) > limit.most:
                return limit.scorer.name
        return ""

    def find_side(self, step: float) -> float:
        """Tell which way the score nears the target: 1 or -1."""
        slope = self.scores_at(step)[0] - self.scores_at(-step)[0]
        return 1.0 if (slope >= 0) == self.rises else -1.0

    def halve(self, sign: float, low: float, high: float) -> float:
        """Close in on where the score is passed between two alphas: -> the smallest one found that passes."""
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if self.passes(self.scores_at(sign * middle)) else (middle, high)
        return high

    def judge(self, alpha: float, before: Reach) -> Reach:
        """Accept the alpha at which the score is passed if no limit is exceeded there."""
        scores = self.scores_at(alpha)
        if stopped := self.exceeded(scores):
            return Reach(before.alpha, before.score, is_reached=False, stopped_by=stopped)
        return Reach(alpha, scores[0], is_reached=True)
