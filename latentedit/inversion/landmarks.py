"""A user's own landmarks, from JSON."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from latentedit.errors import InputError, about
from latentedit.files import read_small

EYES = (slice(36, 42), slice(42, 48))  # of the 68 points of dlib and iBUG
NOSE, MOUTH = 30, (48, 54)
FORMS = "give [[x, y], ...], 5 points (eyes, nose, corners of the mouth, from the left) or dlib's 68, in pixels"


def read_landmarks(path: Path, photographs: list[Path]) -> list[Tensor]:
    """Read landmarks of photographs: -> [5, 2] each.

    The file holds the points of one photograph, or an object with a photograph's file name for every
    key. 68 points are reduced to five as FFHQ's were: eyes are means of six. Raises InputError for
    anything else.
    """
    with about(path):
        text = read_small(path)
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"no JSON: {FORMS}") from error
        if not isinstance(content, dict):
            content = {photographs[0].name: content} if len(photographs) == 1 else {}
        return [_of_photograph(content, photograph.name) for photograph in photographs]


def _of_photograph(content: dict[str, object], name: str) -> Tensor:
    if name not in content:
        raise InputError(f"holds no landmarks of {name}: write {{{name!r}: [[x, y], ...]}}")
    with about(name):
        return _reduce(content[name])


def _reduce(points: object) -> Tensor:
    """Take 5 points as they are, of 68 the eyes, the nose's tip and the corners of the mouth: -> [5, 2]."""
    try:
        found = torch.tensor(points, dtype=torch.float64)
    except (ValueError, TypeError, OverflowError, RuntimeError, RecursionError) as error:
        raise InputError(f"no landmarks: {FORMS}") from error
    if tuple(found.shape) not in ((5, 2), (68, 2)) or not found.isfinite().all():
        raise InputError(f"landmarks of shape {list(found.shape)}, or not finite: {FORMS}")
    if len(found) == 5:
        return found
    return torch.stack([*(found[eye].mean(dim=0) for eye in EYES), found[NOSE], *(found[i] for i in MOUTH)])
