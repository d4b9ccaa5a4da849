"""GANalyze's .pth, {'w': (1, dim)}: the state of its one-direction transformation."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from latentedit.arrays import to_tensor
from latentedit.direction import Direction
from latentedit.formats.entry import Entry
from latentedit.formats.writing import Owner, only_row, replace_file

INPUT_SPACE = "in Z, the generator's input, where GANalyze steps: pass --space w if it was trained on W"
NO_RENORMALISING = "added as it is: GANalyze scales z back to its norm, which StyleGAN's mapping does by itself"


def read(content: object, stem: str) -> list[Entry]:
    """Read the one row."""
    match content:
        case {"w": Tensor() as w, **rest} if not rest and (row := to_tensor(w)) is not None:
            if row.ndim == 2 and len(row) == 1:
                return [Entry(stem, row, assumed=(INPUT_SPACE, NO_RENORMALISING), space="z")]
    return []


def write(path: Path, direction: Direction, owner: Owner) -> None:
    """Write a direction of Z, or of W, as float64 (1, dim)."""
    row = only_row(direction, owner, ("w", "z"))
    with replace_file(path) as file:
        torch.save({"w": row.contiguous()}, file)
