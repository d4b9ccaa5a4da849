"""InterFaceGAN's boundaries: an .npy of one row, (1, w_dim) or (w_dim,), that moves every layer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from latentedit.arrays import to_tensor
from latentedit.direction import Direction
from latentedit.formats.entry import Entry
from latentedit.formats.writing import Owner, only_row, replace_file


def read(content: object, stem: str) -> list[Entry]:
    """Read one row, and what the file's name says of its generator."""
    rows = to_tensor(content) if isinstance(content, np.ndarray) else None
    if rows is None or rows.ndim not in (1, 2) or rows.numel() != rows.shape[-1]:
        return []
    return [Entry(stem.removesuffix("_boundary"), rows.reshape(1, -1), assumed=tuple(_doubts(stem)))]


def _doubts(stem: str) -> Iterator[str]:
    """Read the name, GENERATOR_DATA_ATTRIBUTE_boundary with _w before the last word where it is for W."""
    if stem.startswith("pggan_"):
        yield "in W, though its name speaks of PGGAN, which has none: it moves nothing as meant in StyleGAN2"
    elif stem.startswith(("stylegan_", "stylegan1_")):
        yield "for StyleGAN2, though its name speaks of StyleGAN1, whose W is another space"
    elif stem.endswith("_boundary") and not stem.endswith("_w_boundary"):
        yield "in W, though its name lacks InterFaceGAN's _w: pass --space z if it is one in Z"


def write(path: Path, direction: Direction, owner: Owner) -> None:
    """Write a direction of W, or of Z, as float64 (1, w_dim)."""
    row = only_row(direction, owner, ("w", "z"))
    with replace_file(path) as file:
        np.save(file, row.numpy(), allow_pickle=False)
