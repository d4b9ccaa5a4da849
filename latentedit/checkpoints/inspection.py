"""Hold what a torch.save file claims against the bytes it has, before torch takes memory for it."""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from latentedit.checkpoints.inert import CLASSES, FUNCTIONS, Call, Name
from latentedit.checkpoints.machine import run_pickle
from latentedit.errors import InputError

ZIP = b"PK\x03\x04"
TORCH_LEGACY = pickle.dumps(torch.serialization.MAGIC_NUMBER, protocol=2)
END_OF_ZIP = b"PK\x05\x06"
END_SIZE = 22  # bytes
CALLED = (  # besides FUNCTIONS, what is called in a file of plain weights and of a training's state
    *("argparse.Namespace", "torch.Size", "torch.device", "torch._utils._rebuild_parameter_with_state"),
)
LABEL = re.compile(r"torch\.(\w+Storage|b?float\d*|half|double|u?int\d*|long|short|bool|complex\d*)")  # never called
ITEMSIZES = {  # bytes of a number, where it is not one
    **dict.fromkeys(("torch.HalfStorage", "torch.BFloat16Storage", "torch.ShortStorage"), 2),
    **dict.fromkeys(("torch.FloatStorage", "torch.IntStorage"), 4),
    **dict.fromkeys(("torch.DoubleStorage", "torch.LongStorage", "torch.ComplexFloatStorage"), 8),
    "torch.ComplexDoubleStorage": 16,
}


@dataclass(frozen=True)
class Storage:
    """The numbers behind tensors, as the pickle states them."""

    key: str
    numel: int
    num_bytes: int


class Rebuild(Name):
    """torch's function that lays a tensor over a storage: it would make a short storage longer."""

    def __call__(self, *args: Any) -> Call:
        match args:
            case (Storage() as storage, int(offset), tuple(size), tuple(stride), *_) if len(size) == len(stride):
                if _end(offset, size, stride) <= storage.numel:
                    return Call(self.name, args)
        raise InputError("damaged: a tensor in it does not fit its storage")


class Encode(Name):
    """How old pickles spell bytes; codecs other than theirs can take for ever."""

    def __call__(self, *args: Any) -> Call:
        match args:
            case (str(), "latin1"):
                return Call(self.name, args)
        raise InputError("damaged: bytes expected in it")


def _end(offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> int:
    """Find the place behind the last number of a tensor in its storage."""
    if min((offset, *size, *stride)) < 0:
        raise InputError("damaged: a tensor in it has a negative size, stride or offset")
    return offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1 if all(size) else 0


CHECKED: dict[str, Name] = {
    **{name: Rebuild(name) for name in ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")},
    "_codecs.encode": Encode("_codecs.encode"),
}


def refuse_name(name: str) -> str:
    """Say that a file asks for a function."""
    return f"refused: it asks for {name[:80]!r}, which plain weights never need; none of its code was run"


def inspect_archive(file: Path | io.BytesIO) -> None:
    """Refuse a file that torch.save did not write, or whose tensors are larger than the file."""
    if isinstance(file, io.BytesIO):
        _inspect(file)
        file.seek(0)
        return
    with file.open("rb") as opened:
        _inspect(opened)


def _inspect(file: IO[bytes]) -> None:
    start, size = file.read(len(TORCH_LEGACY)), file.seek(0, io.SEEK_END)
    file.seek(0)
    if start.startswith(ZIP):
        _inspect_zip(file, size)
    elif start == TORCH_LEGACY:
        _inspect_legacy(file, size)
    else:
        raise InputError("no file that torch.save wrote: check that it is the right one")


def _inspect_zip(file: IO[bytes], size: int) -> None:
    """Look through the members, which torch.save neither compresses nor repeats, and then the pickle."""
    with zipfile.ZipFile(file) as archive:
        sizes = {entry.filename.lower(): entry.file_size for entry in archive.infolist()}  # as torch compares them
        pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if not pickles:
            raise InputError("a zip archive, but none that torch.save wrote: unpack it and give the checkpoint inside")
        is_compressed = any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())
        if is_compressed or sum(entry.file_size for entry in archive.infolist()) > size:
            raise InputError("refused: a compressed archive, which torch.save never writes: unpack it first")
        if len(sizes) < len(archive.namelist()) or len(pickles) > 1 or not _ends_at_its_end(file, size):
            raise InputError("damaged: an archive whose members are not one of a kind")
        storages = _run(io.BytesIO(archive.read(pickles[0])))
    folder = pickles[0].removesuffix("data.pkl").lower()
    for storage in storages.values():
        if sizes.get(f"{folder}data/{storage.key}".lower(), -1) < storage.num_bytes:
            raise InputError("damaged: a storage in it has more numbers than bytes")


def _ends_at_its_end(file: IO[bytes], size: int) -> bool:
    """Tell whether nothing comes after the archive's directory, which readers find in different ways then."""
    file.seek(size - END_SIZE)
    return file.read(len(END_OF_ZIP)) == END_OF_ZIP


def _inspect_legacy(file: IO[bytes], size: int) -> None:
    """Run the pickles in front: the magic number, the version, the machine, the content, the storages' keys."""
    for _ in range(3):
        run_pickle(file, _find)
    if sum(storage.num_bytes for storage in _run(file).values()) > size:
        raise InputError("damaged: its storages have more numbers than the file has bytes")
    run_pickle(file, _find)


def _run(file: IO[bytes]) -> dict[str, Storage]:
    """Run the pickle of the content: -> its storages by their keys."""
    storages: dict[str, Storage] = {}

    def find_storage(identity: object) -> Storage:
        storage = _read_identity(identity)
        return storages.setdefault(storage.key, storage)

    run_pickle(file, _find, find_storage)
    return storages


def _read_identity(identity: object) -> Storage:
    match identity:
        case ("storage", str(kind), str(key), str(), int(numel), *views) if views in ([], [None]) and numel >= 0:
            return Storage(key, numel, numel * ITEMSIZES.get(kind, 1))
    raise InputError("damaged: a tensor in it has no storage")


def _find(name: str) -> object:
    """Look up what a file of torch.save's may name: plain text for what must not be called."""
    if name in CLASSES:
        return CLASSES[name]
    if name in CHECKED or name in FUNCTIONS:
        return CHECKED.get(name) or FUNCTIONS[name]
    if name == "collections.Counter":
        return dict
    if name in CALLED:
        return Name(name)
    if LABEL.fullmatch(name):
        return name
    raise InputError(refuse_name(name))
