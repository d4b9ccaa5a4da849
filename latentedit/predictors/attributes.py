"""One attribute of an assessor that rates many, looked at as a scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol

from torch import Tensor

from latentedit.errors import InputError


class Assessor(Protocol):
    """Anything that rates several attributes of a face at once."""

    name: str
    attributes: tuple[str, ...]
    range: tuple[float, float]

    def __call__(self, images: Tensor) -> Tensor:
        """Rate faces: [..., 3, H, W] in [-1, 1] -> [..., len(attributes)]."""


@dataclass(frozen=True, eq=False)
class AttributeScorer:
    """Score one attribute: [..., 3, H, W] in [-1, 1] -> [...]."""

    assessor: Assessor
    attribute: str

    def __post_init__(self) -> None:
        if self.attribute not in self.assessor.attributes:
            hint = suggest(self.attribute, self.assessor.attributes)
            raise InputError(f"{self.assessor.name} does not rate {self.attribute!r}: {hint}")

    @property
    def name(self) -> str:
        return f"{self.assessor.name}:{self.attribute}"

    @property
    def range(self) -> tuple[float, float]:
        return self.assessor.range

    def __call__(self, images: Tensor) -> Tensor:
        return self.assessor(images)[..., self.assessor.attributes.index(self.attribute)]


def suggest(word: str, known: Sequence[str]) -> str:
    """Name the known words nearest to a wrong one, or all of them if none is near."""
    near = get_close_matches(word, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(known)}"
