"""One attribute of an assessor that rates many, looked at as a scorer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from latentedit.errors import InputError

COVERAGE = 0.9  # share of faces whose rating lies in the interval around their score
MATCHED = "matched"  # what follows the attribute in the name of a scorer that spreads as the ratings do


@runtime_checkable
class Assessor(Protocol):
    """Anything that rates several attributes of a face at once; the tensors serve matched scores and intervals only."""

    name: str
    attributes: tuple[str, ...]
    range: tuple[float, float]
    rated_mean: Tensor
    stretch: Tensor
    half_width: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Rate faces: [..., 3, H, W] in [-1, 1] -> [..., len(attributes)]."""


@dataclass(frozen=True, eq=False)
class AttributeScorer:
    """Score one attribute: [..., 3, H, W] in [-1, 1] -> [...].

    A plain score is the likeliest rating, and so it varies less from face to face than ratings do.
    A `matched` score is the same stretched about the mean, until it varies as much: right for
    comparing distributions, farther off for any one face.
    """

    assessor: Assessor
    attribute: str
    matched: bool = False
    framing: ClassVar[Literal["square"]] = "square"  # a face in FFHQ's frame
    floor: ClassVar[None] = None

    def __post_init__(self) -> None:
        if self.attribute not in self.assessor.attributes:
            hint = suggest(self.attribute, self.assessor.attributes)
            raise InputError(f"{self.assessor.name} does not rate {self.attribute!r}: {hint}")

    @property
    def name(self) -> str:
        return f"{self.assessor.name}:{self.attribute}" + (f":{MATCHED}" if self.matched else "")

    @property
    def range(self) -> tuple[float, float]:
        return self.assessor.range

    @property
    def _index(self) -> int:
        return self.assessor.attributes.index(self.attribute)

    def __call__(self, images: Tensor) -> Tensor:
        return self.read(self.assessor(images))

    def read(self, ratings: Tensor) -> Tensor:
        """Pick the score from all that the assessor rates: [..., len(attributes)] -> [...]."""
        scores = ratings[..., self._index]
        if not self.matched:
            return scores
        mean, stretch = self._spread()
        return mean + stretch * (scores - mean)

    def interval(self, scores: Tensor) -> Tensor:
        """Say where people's mean rating of the scored faces lies nine times in ten: [...] -> [..., 2], low and high.

        Split-conformal (Vovk et al. 2005; Lei et al. 2018) with the residuals of cross-validation:
        it holds for new faces such as the assessor was trained on, and for one face, not for the
        difference that an edit makes.
        """
        mean, stretch = self._spread()
        plain = mean + (scores - mean) / stretch if self.matched else scores
        half = float(self.assessor.half_width[self._index])
        return (plain[..., None] + plain.new_tensor([-half, half])).clamp(*self.range)

    def _spread(self) -> tuple[float, float]:
        """Return the mean rating, and how many times as widely ratings vary as scores."""
        return float(self.assessor.rated_mean[self._index]), float(self.assessor.stretch[self._index])


def score_together(scorers: Sequence[Callable[[Tensor], Tensor]], images: Tensor) -> Tensor:
    """Score images by several scorers, asking an assessor that several look at only once: [N, 3, H, W] -> [N, K]."""
    assessors = {id(scorer.assessor): scorer.assessor for scorer in scorers if isinstance(scorer, AttributeScorer)}
    ratings = {key: assessor(images) for key, assessor in assessors.items()}
    scores = [
        scorer.read(ratings[id(scorer.assessor)]) if isinstance(scorer, AttributeScorer) else scorer(images)
        for scorer in scorers
    ]
    return torch.stack(scores, dim=-1)


def suggest(word: str, known: Sequence[str]) -> str:
    """Name the known words nearest to a wrong one, or all of them if none is near."""
    near = get_close_matches(word, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(known)}"
