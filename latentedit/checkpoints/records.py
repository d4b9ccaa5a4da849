"""The project's own files: tensors with a JSON header, in one safetensors file."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentedit.checkpoints.stored import Span, StoredTensor, WeightFile
from latentedit.errors import InputError, about, one_line
from latentedit.files import replacing, require_regular

HEADER_KEY = "latentedit"
RECORD_VERSION = 1
DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}
LARGEST_HEADER = 2**24  # bytes, of JSON that takes twenty times as many in memory; those of the field have 2**17


def save_record(path: str | Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON header to one safetensors file, whole or not at all.

    Raises InputError where that fails, as on a full disk.
    """
    save_tensors(path, tensors, {HEADER_KEY: json.dumps({**header, "record_version": RECORD_VERSION})})


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors to one safetensors file, whole or not at all."""
    import safetensors.torch

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = safetensors.torch.save(plain, metadata)
    with about(path), replacing(Path(path)) as temporary:
        temporary.write_bytes(content)


def load_record(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the header that `save_record` wrote."""
    with about(path):
        return read_record(Path(path))


def load_header(path: str | Path) -> dict[str, Any]:
    """Return the header alone, without reading the tensors."""
    with about(path), _open(Path(path)) as file:
        return parse_header(file.metadata() or {})


def read_record(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Do the work of `load_record`; errors don't name the path."""
    with _open(path) as file:
        header = parse_header(file.metadata() or {})
        return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118


def open_tensors(path: Path) -> tuple[dict[str, StoredTensor | None], dict[str, str]]:
    """Open any safetensors file: -> tensors yet to be read (None for integers), metadata."""
    with _open(path) as file:  # which checks the layout
        metadata = file.metadata() or {}
    weights = WeightFile(path)
    start = 8 + int.from_bytes(weights.stream.read(8), "little")
    entries = json.loads(weights.stream.read(start - 8))
    return {name: _locate(weights, start, entry) for name, entry in entries.items() if name != "__metadata__"}, metadata


def has_header(path: Path) -> bool:
    """Tell whether latentedit wrote a safetensors file."""
    with _open(path) as file:
        return HEADER_KEY in (file.metadata() or {})


def _locate(weights: WeightFile, start: int, entry: dict[str, Any]) -> StoredTensor | None:
    begin, end = entry["data_offsets"]
    if entry["dtype"] not in DTYPES:
        return None
    return StoredTensor.lay_out(Span(weights, start + begin, end - begin), DTYPES[entry["dtype"]], entry["shape"])


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open a safetensors file; whatever is wrong with it becomes an InputError."""
    import safetensors

    require_regular(path)
    if not starts_as_record(path):
        raise InputError("no safetensors file, or one with a header larger than any: fetch it again")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            yield file
    except (safetensors.SafetensorError, MemoryError) as error:
        raise InputError(f"no safetensors file, or one cut short ({one_line(error)}): fetch it again") from error


def starts_as_record(path: Path) -> bool:
    """Tell by its first bytes whether a file is a safetensors file, with a header of sensible length."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") <= LARGEST_HEADER


def parse_header(metadata: dict[str, str]) -> dict[str, Any]:
    """Read the JSON header off a file's metadata."""
    try:
        header = json.loads(metadata[HEADER_KEY])
        version = header.pop("record_version")
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError("a safetensors file without latentedit's header: latentedit did not write it") from error
    if version != RECORD_VERSION:
        raise InputError(
            f"record version {reprlib.repr(version)}, this latentedit reads {RECORD_VERSION}: update latentedit"
        )
    return dict(header)
