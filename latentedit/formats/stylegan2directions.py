"""The .npy packs of stylegan2encoder and stylegan2directions: (num_ws, w_dim), a row a layer, of any norm."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latentedit.arrays import to_tensor
from latentedit.direction import Direction
from latentedit.formats.entry import MOST_LAYERS, Entry
from latentedit.formats.writing import Owner, all_rows, replace_file


def read(content: object, stem: str) -> list[Entry]:
    """Read one row a layer, the norm as it is."""
    rows = to_tensor(content) if isinstance(content, np.ndarray) else None
    if rows is None or rows.ndim != 2 or not 1 < len(rows) <= MOST_LAYERS:
        return []
    return [Entry(stem, rows)]


def write(path: Path, direction: Direction, owner: Owner) -> None:
    """Write float64 (num_ws, w_dim), zero where nothing moves."""
    rows = all_rows(direction, owner)
    with replace_file(path) as file:
        np.save(file, rows.numpy(), allow_pickle=False)
