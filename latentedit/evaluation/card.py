"""Report cards of edits, and what their tables hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from latentedit.evaluation.curves import Course, Match
from latentedit.statistics import Estimate


@dataclass(frozen=True)
class Verdict:
    """What one judge says of one edit, in standard deviations of its ratings of faces that nobody edited."""

    judge: str
    attributes: tuple[str, ...]
    target: str
    alphas: tuple[float, ...]  # in sigmas of the direction, turned so that the target rises
    shifts: tuple[Estimate, ...]  # mean change of the target at each alpha
    course: Course
    match: Match  # at the alpha where the first judge's mean change of the target reaches the level

    @property
    def changes(self) -> dict[str, Estimate]:
        """Mean change of each attribute at matched change of the target."""
        return dict(zip(self.attributes, self.match.changes, strict=True))

    @property
    def sizes(self) -> dict[str, Estimate]:
        """Mean over faces of each attribute's change without its sign, at matched change of the target."""
        return dict(zip(self.attributes, self.match.sizes, strict=True))


@dataclass(frozen=True)
class Card:
    """All that was measured of one edit: the verdict of each judge, and the pictures at matched change."""

    edit: str
    num_faces: int
    level: float  # of the target's change that edits are matched at, in standard deviations
    verdicts: tuple[Verdict, ...]
    similarities: Mapping[str, Estimate] = field(default_factory=dict)  # mean over faces, edited against before
    frechet: float = math.nan  # distance of the edited faces to others that nobody edited
    frechet_before: float = math.nan  # that of the same faces before the edit

    @property
    def verdict(self) -> Verdict:
        """The first judge's."""
        return self.verdicts[0]

    @property
    def alpha(self) -> Estimate:
        """Where the target's mean change reaches the level, in sigmas; no number if it never does."""
        return self.verdict.match.alpha

    @property
    def gap(self) -> dict[str, float]:
        """How much more each other judge sees the target change than the first one does, at matched change."""
        own = self.verdict.changes[self.verdict.target].value
        return {other.judge: other.changes[other.target].value - own for other in self.verdicts[1:]}
