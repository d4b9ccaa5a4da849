"""Read a pickle without running any of it: what it wants called is written down, never called.

An unpickler's dangers are the functions it calls and the attributes it sets. Here every name
becomes an inert `Name`, every call an inert `Call`, and only plain containers are real. Names
outside a short list are refused all the same: a file that needs them is no checkpoint we know.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from latentedit.checkpoints.archive import require_plain
from latentedit.checkpoints.bounded import Bounded, Reader
from latentedit.checkpoints.inert import CLASSES, FUNCTIONS, Call
from latentedit.checkpoints.inspection import TORCH_LEGACY
from latentedit.checkpoints.machine import run_pickle
from latentedit.checkpoints.stored import HeldBytes, Span, StoredTensor, Text, WeightFile
from latentedit.errors import InputError

KINDS = {"Bool": "bool", "Byte": "uint8", "Char": "int8", "Short": "int16", "Int": "int32", "Long": "int64"} | {
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Float": "float32",
    "Double": "float64",
}
STORAGES = {f"torch.{kind}Storage": getattr(torch, dtype) for kind, dtype in KINDS.items()}
MAX_STORAGE_HEADER = 2**12  # bytes, ten times what torch writes
SYSTEM = {
    "protocol_version": torch.serialization.PROTOCOL_VERSION,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
PREAMBLE = TORCH_LEGACY + pickle.dumps(torch.serialization.PROTOCOL_VERSION, 2) + pickle.dumps(SYSTEM, 2)
LARGE = 2**12  # bytes: what is longer stays in the file until it is wanted
WIDTHS = {b"B": 4, b"T": 4, b"X": 4, b"\x8e": 8, b"\x8d": 8}  # bytes of the lengths of bytes and texts, by opcode
TEXTS = (b"X", b"\x8d")  # in UTF-8; T is bytes as Python 2 wrote them
NUMBERS = ("f4", "f8", "i4", "i8", "b1")  # little-endian, as every machine that trains writes them


def unpickle(path: Path, start: int = 0) -> object:
    """Return what a pickle holds: plain values and containers as they are, everything else as `Call`.

    Long bytes, weights as a rule, come as a `Span` that is yet to be read, long texts as a `Text`.
    `start` skips the bytes before the pickle, as numpy puts a header in front of some.
    """
    file = WeightFile(path)
    file.stream.seek(start)
    return run_pickle(_Skimmed(file), _find)


def _find(name: str) -> object:
    """Look a name up among the allowed ones only; dots in it lead nowhere."""
    if name in CLASSES:
        return CLASSES[name]
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise InputError(f"refused: it asks for {name[:80]!r}, which no checkpoint needs; none of its code was run")


class _Skimmed(Bounded):
    """A file whose long bytes and texts are left where they are, as a `Span` or a `Text` each."""

    def __init__(self, file: WeightFile) -> None:
        super().__init__(file.stream)
        self.weights = file

    def read_argument(self, code: bytes, read: Reader) -> Any:
        """Read what stands behind an opcode, or only where it stands."""
        if width := WIDTHS.get(code):
            start = self.tell() + width
            count = int.from_bytes(self.read(width), "little")
            if LARGE < count <= self.size - start:
                self.file.seek(start + count)
                content = Span(self.weights, start, count)
                return Text(content) if code in TEXTS else content
            self.file.seek(start - width)
        return read(self)


def rebuild_tensor(value: object) -> Tensor:
    """Make the tensor that a `Call` describes: of the shape it says, on the CPU."""
    match value:
        case Tensor() | StoredTensor():  # torch.load has made it already
            return require_plain("a parameter", value)
        case Call("torch._utils._rebuild_parameter", (data, *_)):
            value = data
    match value:
        case Call("torch._utils._rebuild_tensor_v2", (storage, int(offset), tuple(size), tuple(stride), *_)):
            numbers, dtype = _open_storage(storage)
            return StoredTensor(numbers, dtype, offset, size, stride).read()
    raise InputError("damaged: a parameter in it is no plain tensor")


def _open_storage(value: object) -> tuple[Span, torch.dtype]:
    """Find the numbers of a storage and their type: it is a small file of torch.save's old layout."""
    match value:
        case Call("torch.storage._load_from_bytes", (data,)):
            content = data if isinstance(data, Span) else HeldBytes(_rebuild_bytes(data)).span
            return _parse_storage(content)
    raise InputError("damaged: a tensor in it has no storage")


def _parse_storage(content: Span) -> tuple[Span, torch.dtype]:
    """Read the five pickles in front of the numbers: a mark, a version, a machine, the storage, its key.

    The first three are the same in every storage that a common machine wrote, and then left out.
    """
    head = content.read(0, min(len(content), MAX_STORAGE_HEADER)).numpy().tobytes()
    stream, known = io.BytesIO(head), 3 if head.startswith(PREAMBLE) else 0
    stream.seek(len(PREAMBLE) if known else 0)
    match [run_pickle(stream, _find_kind, lambda identity: identity) for _ in range(5 - known)]:
        case [*_, ("storage", torch.dtype() as dtype, _, _, int(count), None), _]:
            start = stream.tell() + 8  # the count once more
            return content.cut(start, count * dtype.itemsize), dtype
    raise InputError("damaged: a tensor in it has no storage")


def _find_kind(name: str) -> object:
    """Look a storage's type up, as the type of its numbers."""
    return STORAGES.get(name) or _find(name)


def _rebuild_bytes(value: object) -> bytes:
    match value:
        case bytes() | bytearray():
            return bytes(value)
        case str() | Text() as text:
            return _encode(text)
        case Call("_codecs.encode", (str() | Text() as text, "latin1")):
            return _encode(text)
        case Span():
            return value.read(0, len(value)).numpy().tobytes()
    raise InputError("damaged: bytes expected in it")


def _encode(text: str | Text) -> bytes:
    """Return the bytes that Python 2 and protocol 2 spell as text."""
    try:
        return (text if isinstance(text, str) else text.read()).encode("latin1")
    except UnicodeError as error:
        raise InputError("damaged: bytes expected in it") from error


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
    """Make the numpy array that a `Call` describes, of plain numbers and of the shape it says.

    One that comes from a file may still lie there: copy it rather than keep it.
    """
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
            flat = data.look() if isinstance(data, Span) else _rebuild_bytes(data)
            try:
                if min(shape, default=0) >= 0:  # numpy would guess a negative length
                    return np.frombuffer(flat, code).reshape(shape, order=order)
            except (TypeError, ValueError, OverflowError) as error:
                raise InputError("damaged: an array in it does not fit its bytes") from error
    raise InputError("damaged: an array in it holds no plain numbers, little-endian")
