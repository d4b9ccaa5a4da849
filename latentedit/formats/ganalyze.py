"""GANalyze's .pth, {'w': (1, dim)}: the state of its one-direction transformation."""

from __future__ import annotations

from torch import Tensor

from latentedit.arrays import to_tensor
from latentedit.formats.entry import Entry

INPUT_SPACE = "in W: GANalyze's w is a step in the generator's input, which is W only where it was trained so"
NO_RENORMALISING = "added as it is: GANalyze afterwards scales the whole batch back to its norm"


def read(content: object, stem: str) -> list[Entry]:
    """Read the one row."""
    match content:
        case {"w": Tensor() as w, **rest} if not rest and (row := to_tensor(w)) is not None:
            if row.ndim == 2 and len(row) == 1:
                return [Entry(stem, row, assumed=(INPUT_SPACE, NO_RENORMALISING))]
    return []
