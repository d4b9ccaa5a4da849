"""The .npy packs of stylegan2encoder and stylegan2directions: (num_ws, w_dim), a row a layer, of any norm."""

from __future__ import annotations

import numpy as np

from latentedit.arrays import to_tensor
from latentedit.errors import InputError
from latentedit.formats.entry import MOST_LAYERS, Entry


def read(content: object, stem: str) -> list[Entry]:
    """Read one row a layer, the norm as it is."""
    rows = to_tensor(content) if isinstance(content, np.ndarray) else None
    if rows is None or rows.ndim != 2 or len(rows) < 2:
        return []
    if len(rows) > MOST_LAYERS:
        raise InputError(
            f"an array of {len(rows)} rows, which are no layers: perhaps latents, for --latents, or StyleCLIP's fs3.npy"
        )
    return [Entry(stem, rows)]
