"""The .npy packs of stylegan2encoder and stylegan2directions: (num_ws, w_dim), a row a layer, of any norm."""

from __future__ import annotations

import numpy as np

from latentedit.arrays import to_tensor
from latentedit.formats.entry import MOST_LAYERS, Entry


def read(content: object, stem: str) -> list[Entry]:
    """Read one row a layer, the norm as it is."""
    rows = to_tensor(content) if isinstance(content, np.ndarray) else None
    if rows is None or rows.ndim != 2 or not 1 < len(rows) <= MOST_LAYERS:
        return []
    return [Entry(stem, rows)]
