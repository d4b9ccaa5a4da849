"""rosinality's factor.pt, {'ckpt', 'eigvec'}: SeFa's directions, the columns of a matrix."""

from __future__ import annotations

from pathlib import Path

import torch

from latentedit.arrays import to_tensor
from latentedit.direction import Direction
from latentedit.formats.entry import Entry
from latentedit.formats.writing import Owner, only_row, replace_file

BEFORE_TRUNCATION = "rosinality adds it before truncation: its degree times psi is an alpha here"


def read(content: object, stem: str) -> list[Entry]:
    """Read each column of eigvec [w_dim, K], the strongest first."""
    match content:
        case {"eigvec": vectors, **rest} if (columns := to_tensor(vectors)) is not None and columns.ndim == 2:
            facts = {"network": rest["ckpt"]} if isinstance(rest.get("ckpt"), str) else {}
            return [
                Entry(f"eigvec{i}", row[None], facts=facts, assumed=(BEFORE_TRUNCATION,))
                for i, row in enumerate(columns.t())
            ]
    return []


def write(path: Path, direction: Direction, owner: Owner) -> None:
    """Write a direction of W as the one column of eigvec, float32 [w_dim, 1]."""
    column = only_row(direction, owner).t().float().contiguous()
    with replace_file(path) as file:
        torch.save({"ckpt": direction.provenance.get("network", ""), "eigvec": column}, file)
