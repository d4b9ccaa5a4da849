"""Read a pickle without running any of it: what it wants called is written down, never called.

An unpickler's dangers are the functions it calls and the attributes it sets. Here every name
becomes an inert `Name`, every call an inert `Call`, and only plain containers are real. Names
outside a short list are refused all the same: a file that needs them is no checkpoint we know.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from latentedit.checkpoints.archive import require_plain
from latentedit.checkpoints.inert import CLASSES, FUNCTIONS, Call
from latentedit.checkpoints.stored import HeldBytes, Span, StoredTensor, WeightFile
from latentedit.errors import InputError

KINDS = {"Bool": "bool", "Byte": "uint8", "Char": "int8", "Short": "int16", "Int": "int32", "Long": "int64"} | {
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Float": "float32",
    "Double": "float64",
}
STORAGES = {f"torch.{kind}Storage": getattr(torch, dtype) for kind, dtype in KINDS.items()}
MAX_STORAGE_HEADER = 2**12  # bytes, ten times what torch writes
LARGE = 2**12  # bytes: what is longer stays in the file until it is wanted
BYTES = (b"B", b"\x8e")  # opcodes: BINBYTES, BINBYTES8
NUMBERS = ("f4", "f8", "i4", "i8", "b1")  # little-endian, as every machine that trains writes them


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, spans: Sequence[Span] = ()) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")  # Python 2 had no other
        self.spans = spans

    def find_class(self, module: str, name: str) -> Any:
        """Look the name up among the allowed ones only; dots in it lead nowhere."""
        full = f"{module}.{name}"
        if full in CLASSES:
            return CLASSES[full]
        if full in FUNCTIONS:
            return FUNCTIONS[full]
        raise InputError(f"refused: it asks for {full[:80]!r}, which no checkpoint needs; none of its code was run")

    def persistent_load(self, pid: Any) -> Any:
        """Put in what `_skim` has left in the file."""
        return self.spans[pid]


def unpickle(path: Path, start: int = 0) -> object:
    """Return what a pickle holds: plain values and containers as they are, everything else as `Call`.

    Long bytes, weights as a rule, come as a `Span` that is yet to be read. `start` skips the bytes
    before the pickle, as numpy puts a header in front of some.
    """
    file = WeightFile(path)
    file.stream.seek(start)
    with damaged_pickle():
        return _Unpickler(*_skim(file)).load()


@contextmanager
def damaged_pickle() -> Iterator[None]:
    """Turn what the pickle machine raises on a damaged file, a dozen types, into one InputError."""
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:
        raise InputError(f"a damaged pickle, cut short or no pickle at all ({_first_line(error)})") from error


def _skim(file: WeightFile) -> tuple[bytes, list[Span]]:
    """Copy a pickle without its long bytes: -> a pickle that asks for them by number, where they lie.

    Only the copy may do that.
    """
    reader, parts, spans = _Reader(file), [], list[Span]()
    for name, arg in _guard(reader):
        if name.endswith("PERSID"):
            raise InputError("damaged: it asks for objects from outside, which no checkpoint needs")
        piece = reader.take()
        if isinstance(arg, Span):
            piece = struct.pack("<cic", b"J", len(spans), b"Q")  # BININT, BINPERSID
            spans.append(arg)
        if name != "FRAME":  # whose length no longer holds, and which no reader needs
            parts.append(piece)
        elif arg > file.size:
            raise InputError("damaged or cut short: a part of it is longer than the file")
    return b"".join(parts), spans


def _guard(stream: Any) -> Iterator[tuple[str, Any]]:
    """Yield a pickle's opcodes; refuse, before the pickle machine starts, the two that find_class cannot guard.

    EXT takes objects from a table of the running process, and PUT with a huge index makes the
    machine allocate as much memory as the index says.
    """
    for count, (opcode, arg, _) in enumerate(pickletools.genops(stream)):
        if opcode.name.startswith("EXT"):
            raise InputError(f"refused: it uses extension code {arg}, which no checkpoint needs")
        if opcode.name.endswith("PUT") and isinstance(arg, int) and arg > count:
            raise InputError("refused: a damaged pickle, or one made to exhaust the memory")
        yield opcode.name, arg


class _Reader:
    """Reads a pickle for `genops`, long bytes as a `Span`, and keeps what it has read."""

    def __init__(self, file: WeightFile) -> None:
        self.file, self.pieces = file, list[bytes]()

    def read(self, length: int) -> bytes | Span:
        """Read the next bytes; the first since `take` are the opcode."""
        if length > LARGE and self.pieces[0] in BYTES:
            return self._pass(length)
        self.pieces.append(self.file.stream.read(length))
        return self.pieces[-1]

    def _pass(self, length: int) -> bytes | Span:
        start = self.file.stream.tell()
        if start + length > self.file.size:
            return b""  # genops says what is missing
        self.file.stream.seek(start + length)
        return Span(self.file, start, length)

    def readline(self) -> bytes:
        """Read up to the next line break."""
        self.pieces.append(self.file.stream.readline())
        return self.pieces[-1]

    def take(self) -> bytes:
        """Return what was read since the last time."""
        taken = b"".join(self.pieces)
        self.pieces.clear()
        return taken


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:80] if str(error).strip() else 'no detail'}"


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
            with damaged_pickle():
                return _parse_storage(content)
    raise InputError("damaged: a tensor in it has no storage")


def _parse_storage(content: Span) -> tuple[Span, torch.dtype]:
    """Read the five pickles in front of the numbers: a mark, a version, a machine, the storage, its key."""
    header = content.read(0, min(len(content), MAX_STORAGE_HEADER)).numpy().tobytes()
    stream = io.BytesIO(header)
    match [_StorageUnpickler(stream).load() for _ in range(5)]:
        case [*_, ("storage", torch.dtype() as dtype, _, _, int(count), None), _]:
            start = stream.tell() + 8  # the count once more
            return content.cut(start, count * dtype.itemsize), dtype
    raise InputError("damaged: a tensor in it has no storage")


class _StorageUnpickler(_Unpickler):
    def __init__(self, stream: io.BytesIO) -> None:
        start = stream.tell()
        for _ in _guard(stream):
            pass
        super().__init__(stream.getvalue()[start : stream.tell()])

    def find_class(self, module: str, name: str) -> Any:
        """Let a storage's type through, as the type of its numbers."""
        return STORAGES.get(f"{module}.{name}") or super().find_class(module, name)

    def persistent_load(self, pid: Any) -> Any:
        """Return the description of the storage."""
        return pid


def _rebuild_bytes(value: object) -> bytes:
    match value:
        case bytes() | bytearray():
            return bytes(value)
        case Span():
            return value.read(0, len(value)).numpy().tobytes()
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
            flat = data.read(0, len(data)).numpy() if isinstance(data, Span) else _rebuild_bytes(data)
            try:
                if min(shape, default=0) >= 0:  # numpy would guess a negative length
                    return np.frombuffer(flat, code).reshape(shape, order=order)
            except (TypeError, ValueError, OverflowError) as error:
                raise InputError("damaged: an array in it does not fit its bytes") from error
    raise InputError("damaged: an array in it holds no plain numbers, little-endian")
