"""What the writers share: the shapes that other tools' files have room for, and whole files or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import torch
from torch import Tensor

from latentedit.direction import Direction, Space
from latentedit.errors import InputError, about
from latentedit.files import replacing
from latentedit.ranges import format_ranges


class Owner(NamedTuple):
    """The generator that a direction is written for, as far as files depend on it."""

    num_ws: int
    w_avg: Tensor | None = None  # [w_dim], None where nobody knows the generator


def only_row(direction: Direction, owner: Owner, spaces: tuple[Space, ...] = ("w",)) -> Tensor:
    """Return the one row of a direction of Z, or of W that moves every layer: -> [1, w_dim]."""
    check_space(direction, (*spaces, "w+"))
    if direction.space == "z":
        return direction.vector
    if direction.layers != tuple(range(owner.num_ws)) or direction.space != "w":
        moved = "with a row of its own in each" if direction.space == "w+" else "and the file moves all there are"
        raise InputError(
            f"direction {direction.name} moves layers {format_ranges(direction.layers)} of {owner.num_ws}, {moved}: "
            "a file of one row cannot hold it, export it as e4e or latentedit"
        )
    return direction.vector[:1]


def all_rows(direction: Direction, owner: Owner) -> Tensor:
    """Return a row for each layer of the generator, zero where nothing moves: -> [num_ws, w_dim]."""
    check_space(direction, ("w", "w+"))
    if max(direction.layers) >= owner.num_ws:
        raise InputError(
            f"direction {direction.name} moves layers {format_ranges(direction.layers)}, "
            f"the generator has {owner.num_ws}"
        )
    rows = torch.zeros(owner.num_ws, direction.vector.shape[1], dtype=torch.float64)
    rows[list(direction.layers)] = direction.vector
    return rows


def check_space(direction: Direction, spaces: tuple[Space, ...]) -> None:
    """Raise InputError if a format has no room for directions of a space."""
    if direction.space not in spaces:
        raise InputError(f"direction {direction.name} is in {direction.space}: no such file holds it, use latentedit's")


@contextmanager
def replace_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` only once it is written whole."""
    with about(path), replacing(path) as temporary, temporary.open("wb") as file:
        yield file
