"""Pickles that old numpy and old Python read as well as new ones."""

from __future__ import annotations

import pickle
import pickletools
from typing import Any

MOVED = b"cnumpy._core.", b"cnumpy.core."  # numpy 2 renamed the module whose functions its pickles name


def dump_old(content: Any) -> bytes:
    """Pickle plain values and numpy arrays in protocol 2, under numpy 1's names."""
    data = pickle.dumps(content, protocol=2)
    starts = [at for opcode, _, at in pickletools.genops(data) if opcode.name == "GLOBAL"]
    parts = [data[i:j] for i, j in zip([0, *starts], [*starts, len(data)], strict=True)]
    return b"".join(part.replace(*MOVED, 1) if part.startswith(MOVED[0]) else part for part in parts)
