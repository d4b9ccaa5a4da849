"""How much of a person an edit leaves, and how far it may go for that to last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from latentedit.errors import InputError
from latentedit.predictors.likeness import Likeness

STEPS, HALVINGS = 8, 6  # on the way to the wanted alpha, and of the step that goes too far


@dataclass(frozen=True)
class Kept:
    """How far one face goes, and how like it then still is to the face before."""

    alpha: float
    likeness: float
    is_cut: bool  # short of the wanted alpha


def keep_likeness(show: Callable[[Sequence[float]], Tensor], likeness: Likeness, least: float, alpha: float) -> Kept:
    """Find the largest share of an alpha up to which a face stays like itself: -> Kept.

    `show` renders alphas of one face, [num_alphas, 3, H, W]. The likeness to alpha 0 must not be below
    `least` at any of eight steps on the way; the step that goes too far is halved six times.
    """
    if not -1 <= least <= 1:
        raise InputError(f"likeness {least:g}: give a number from -1 to 1, which is for equal faces")
    origin = show([0.0])

    def measure(alphas: Sequence[float]) -> list[float]:
        images = show(alphas)
        values: list[float] = likeness.measure(origin.expand_as(images), images).tolist()
        return values

    steps = [alpha * i / STEPS for i in range(STEPS + 1)]
    values = measure(steps)
    last = next((i for i, value in enumerate(values) if value < least), STEPS + 1) - 1
    if last == STEPS:
        return Kept(alpha, values[-1], is_cut=False)
    if last < 0:
        return Kept(0.0, values[0], is_cut=True)
    best, low, high = values[last], steps[last], steps[last + 1]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        (value,) = measure([middle])
        low, high, best = (middle, high, value) if value >= least else (low, middle, best)
    return Kept(low, best, is_cut=True)
