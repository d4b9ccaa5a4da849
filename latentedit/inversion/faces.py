"""A face that a detector found."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Face:
    """A face: box (left, top, width, height) and landmarks [5, 2] in pixels, score in [0, 1].

    The landmarks are eyes, nose and corners of the mouth, each from the left of an upright image.
    """

    box: tuple[float, float, float, float]
    landmarks: Tensor
    score: float
