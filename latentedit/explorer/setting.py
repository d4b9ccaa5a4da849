"""What the page's controls say: the edit of one face, read from JSON that anybody may have sent."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from latentedit.errors import InputError
from latentedit.ranges import LARGEST_SEED

MOST_DIRECTIONS = 24
MOST_CONDITIONS = 16
LONGEST_WORD = 200  # characters
FARTHEST = 100.0  # alpha
DIGITS = 4  # of an alpha and psi, behind the point: a browser's 0.30000000000000004 is 0.3


@dataclass(frozen=True)
class Setting:
    """A face, and how far it is moved along which directions; alpha counts sigma."""

    seed: int = 1
    psi: float = 0.7
    from_photo: bool = False
    alphas: tuple[tuple[str, float], ...] = ()
    keep: tuple[str, ...] = ()
    layers: str = "all"
    scorer: str = "omi:memorable"

    @property
    def moves(self) -> tuple[tuple[str, float], ...]:
        """The directions along which the face moves at all."""
        return tuple((name, alpha) for name, alpha in self.alphas if alpha)

    def scaled(self, share: float) -> Setting:
        """Go a share of the way: 0 is the face before the edit, 1 this one."""
        return replace(self, alphas=tuple((name, share * alpha) for name, alpha in self.alphas))

    def moved(self, direction: str, alpha: float) -> Setting:
        """Set one direction's alpha and leave the others."""
        return replace(self, alphas=(*((n, a) for n, a in self.alphas if n != direction), (direction, alpha)))


def read_setting(data: Any) -> Setting:
    """Read what the page sends; a fault is an InputError that names it."""
    if not isinstance(data, dict):
        raise InputError("a setting is an object of JSON")
    alphas, keep = data.get("alphas", {}), data.get("keep", [])
    if not isinstance(alphas, dict) or len(alphas) > MOST_DIRECTIONS:
        raise InputError(f"alphas: give {MOST_DIRECTIONS} directions with their alphas at most")
    if not isinstance(keep, list) or len(keep) > MOST_CONDITIONS:
        raise InputError(f"keep: give a list of {MOST_CONDITIONS} directions at most")
    seed = data.get("seed", Setting.seed)
    if type(seed) is not int or not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"seed {str(seed)[:40]!r}: give a whole number from 0 to {LARGEST_SEED}")
    return Setting(
        seed=seed,
        psi=_read_number("truncation", data.get("psi", Setting.psi), 2),
        from_photo=data.get("from_photo") is True,
        alphas=tuple((_read_word("direction", name), _read_number(name, alpha)) for name, alpha in alphas.items()),
        keep=tuple(dict.fromkeys(_read_word("keep", name) for name in keep)),
        layers=_read_word("layers", data.get("layers", Setting.layers)),
        scorer=_read_word("scorer", data.get("scorer", Setting.scorer)),
    )


def _read_word(what: str, word: Any) -> str:
    if not isinstance(word, str) or not 0 < len(word) <= LONGEST_WORD or not word.isprintable():
        raise InputError(f"{what} {str(word)[:40]!r}: give a word")
    return word


def _read_number(what: str, number: Any, farthest: float = FARTHEST) -> float:
    if type(number) not in (int, float) or not math.isfinite(number) or abs(number) > farthest:
        raise InputError(f"{what[:40]} {str(number)[:40]!r}: give a number from {-farthest:g} to {farthest:g}")
    return round(float(number), DIGITS) + 0.0
