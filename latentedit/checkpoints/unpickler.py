"""Read a pickle without running any of it: what it wants called is written down, never called.

An unpickler's dangers are the functions it calls and the attributes it sets. Here every name
becomes an inert `Name`, every call an inert `Call`, and only plain containers are real. Names
outside a short list are refused all the same: a file that needs them is no checkpoint we know.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from latentedit.checkpoints.archive import load_archive, require_plain
from latentedit.checkpoints.inert import CLASSES, FUNCTIONS, Call
from latentedit.checkpoints.machine import run_pickle
from latentedit.errors import InputError

NUMBERS = ("f4", "f8", "i4", "i8", "b1")  # little-endian, as every machine that trains writes them


def unpickle(path: Path, start: int = 0) -> object:
    """Return what a pickle holds: plain values and containers as they are, everything else as `Call`.

    `start` skips the bytes before it, as numpy puts a header in front of some.
    """
    with path.open("rb") as file:
        file.seek(start)
        return run_pickle(file, _find)


def _find(name: str) -> object:
    """Look a name up among the allowed ones only; dots in it lead nowhere."""
    if name in CLASSES:
        return CLASSES[name]
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise InputError(f"refused: it asks for {name[:80]!r}, which no checkpoint needs; none of its code was run")


def rebuild_tensor(value: object) -> Tensor:
    """Make the tensor that a `Call` describes: of the shape it says, on the CPU."""
    match value:
        case Tensor():  # torch.load has made it already
            return require_plain("a parameter", value)
        case Call("torch._utils._rebuild_parameter", (data, *_)):
            value = data
    match value:
        case Call("torch._utils._rebuild_tensor_v2", (storage, int(offset), tuple(size), tuple(stride), *_)):
            return _view(_rebuild_storage(storage), offset, size, stride)
    raise InputError("damaged: a parameter in it is no plain tensor")


def _view(storage: torch.TypedStorage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Lay a shape over a storage, within its bounds: -> [*size]."""
    try:
        return torch.empty(0, dtype=storage.dtype).set_(storage).as_strided(size, stride, offset)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError("damaged: a tensor in it does not fit its storage") from error


def _rebuild_storage(value: object) -> torch.TypedStorage:
    """Decode a storage, itself a small torch.save file."""
    match value:
        case Call("torch.storage._load_from_bytes", (data,)):
            storage = load_archive(io.BytesIO(_rebuild_bytes(data)))
            if isinstance(storage, torch.TypedStorage):
                return storage
    raise InputError("damaged: a tensor in it has no storage")


def _rebuild_bytes(value: object) -> bytes:
    match value:
        case bytes() | bytearray():
            return bytes(value)
        case str(text) | Call("_codecs.encode", (str(text), "latin1")) if max(text, default="") <= "\xff":
            return text.encode("latin1")  # bytes as Python 2 and protocol 2 spell them
    raise InputError("damaged: bytes expected in it")


def rebuild_number(value: object) -> object:
    """Turn a written-down numpy number into a plain one; anything else comes back as it is."""
    match value:
        case Call(
            "numpy.core.multiarray.scalar" | "numpy._core.multiarray.scalar", (Call("numpy.dtype", (code, *_)), data)
        ) if code in NUMBERS:
            dtype, raw = np.dtype(code), _rebuild_bytes(data)
            if len(raw) == dtype.itemsize:
                return np.frombuffer(raw, dtype)[0].item()
    return value


def rebuild_array(value: object) -> np.ndarray:
    """Make the numpy array that a `Call` describes, of plain numbers and of the shape it says."""
    match value:
        case Call(
            "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct",
            state=(_, tuple(shape), dtype, fortran, data),
        ):
            return _lay_out(data, dtype, shape, "F" if fortran else "C")
        case Call(
            "numpy.core.numeric._frombuffer" | "numpy._core.numeric._frombuffer",
            (data, dtype, tuple(shape), "C" | "F" as order),
        ):
            return _lay_out(data, dtype, shape, order)
    raise InputError("damaged: an array in it holds no plain numbers")


def _lay_out(data: object, dtype: object, shape: tuple[Any, ...], order: Literal["C", "F"]) -> np.ndarray:
    """Lay bytes out as an array, all of them."""
    match dtype:
        case Call("numpy.dtype", (str(code), *_), state=(_, "<" | "|", *_)) if code in NUMBERS:
            flat = _rebuild_bytes(data)
            try:
                if min(shape, default=0) >= 0:  # numpy would guess a negative length
                    return np.frombuffer(flat, code).reshape(shape, order=order)
            except (TypeError, ValueError, OverflowError) as error:
                raise InputError("damaged: an array in it does not fit its bytes") from error
    raise InputError("damaged: an array in it holds no plain numbers, little-endian")
