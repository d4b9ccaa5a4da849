"""What the writers share: the shapes that other tools' files have room for, and whole files or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from latentedit.direction import Direction
from latentedit.errors import InputError, about
from latentedit.files import replacing
from latentedit.ranges import format_ranges


def only_row(direction: Direction, num_ws: int) -> Tensor:
    """Return the one row of a direction of W that moves every layer: -> [1, w_dim]."""
    if direction.layers != tuple(range(num_ws)) or direction.space != "w":
        moved = "with a row of its own in each" if direction.space == "w+" else "and the file moves all there are"
        raise InputError(
            f"direction {direction.name} moves layers {format_ranges(direction.layers)} of {num_ws}, {moved}: "
            "a file of one row cannot hold it, export it as e4e or latentedit"
        )
    return direction.vector[:1]


def all_rows(direction: Direction, num_ws: int) -> Tensor:
    """Return a row for each layer of the generator, zero where nothing moves: -> [num_ws, w_dim]."""
    if max(direction.layers) >= num_ws:
        raise InputError(
            f"direction {direction.name} moves layers {format_ranges(direction.layers)}, the generator has {num_ws}"
        )
    rows = torch.zeros(num_ws, direction.vector.shape[1], dtype=torch.float64)
    rows[list(direction.layers)] = direction.vector
    return rows


@contextmanager
def replace_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` only once it is written whole."""
    with about(path), replacing(path) as temporary, temporary.open("wb") as file:
        yield file
