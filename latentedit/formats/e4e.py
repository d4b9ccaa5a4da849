"""The .pt directions of e4e and PTI: a tensor of (1, w_dim) for every layer, or of (1, num_ws, w_dim)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from latentedit.arrays import to_tensor
from latentedit.direction import Direction
from latentedit.formats.entry import MOST_LAYERS, Entry
from latentedit.formats.writing import Owner, all_rows, only_row, replace_file


def read(content: object, stem: str) -> list[Entry]:
    """Read a tensor that is no batch."""
    tensor = to_tensor(content) if isinstance(content, Tensor) else None
    if tensor is None or tensor.ndim not in (2, 3) or len(tensor) != 1 or tensor.shape[-2] > MOST_LAYERS:
        return []
    return [Entry(stem, tensor.flatten(0, -2))]


def write(path: Path, direction: Direction, owner: Owner) -> None:
    """Write float32 (1, w_dim) where every layer has the same row, else (1, num_ws, w_dim)."""
    uniform = direction.space == "w" and len(direction.layers) == owner.num_ws
    tensor = only_row(direction, owner) if uniform else all_rows(direction, owner)[None]
    with replace_file(path) as file:
        torch.save(tensor.float(), file)
