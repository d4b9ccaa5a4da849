"""Arrays in anybody's file, .npy, .npz, .pt or .pkl, decoded without running anything in it."""

from __future__ import annotations

import math
import warnings
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from latentedit.checkpoints.archive import is_plain
from latentedit.checkpoints.bounded import Bounded
from latentedit.checkpoints.inert import Call
from latentedit.checkpoints.inspection import TORCH_LEGACY, ZIP
from latentedit.checkpoints.loading import holds_pickle, load_pickled
from latentedit.checkpoints.unpickler import rebuild_array, rebuild_tensor, unpickle
from latentedit.errors import InputError, damaged
from latentedit.files import require_regular

NPY = b"\x93NUMPY"
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
DAMAGED = "its arrays cannot be read: the file is damaged or cut short, fetch it again"
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # LZMA takes what memory a file states
LARGEST = 2**30  # bytes of an .npz once unpacked: more may be a zip bomb


def load_content(path: Path) -> object:
    """Decode a file by its content: an array, or containers of arrays, plain values and inert `Call`s.

    .npy gives a numpy array, .npz a dictionary of them, torch.save's files tensors. Pickled
    objects, in a .pkl or in an .npy, come from the inert unpickler; `to_tensor` makes arrays of its calls.
    """
    require_regular(path)
    with path.open("rb") as file:
        start = file.read(len(TORCH_LEGACY))
    if start.startswith(NPY):
        return _load_npy(path)
    if start.startswith(ZIP) and _is_npz(path):
        return _load_npz(path)
    if holds_pickle(start):
        return load_pickled(path, start)
    raise InputError("no .npy, .npz, .pt or .pkl file: check that it is the right one, or fetch it again")


def is_numpy(path: Path) -> bool:
    """Tell whether a file is numpy's, .npy or .npz, and so no checkpoint."""
    require_regular(path)
    with path.open("rb") as file:
        return file.read(len(NPY)) == NPY or _is_npz(path)


def _is_npz(path: Path) -> bool:
    """Tell whether a zip archive holds numpy arrays only."""
    with damaged(DAMAGED):
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return all(name.endswith(".npy") for name in archive.namelist())


def to_tensor(value: object) -> Tensor | None:
    """Return an array of anybody's as a tensor of its own precision, and None for what is no array of fractions."""
    if isinstance(value, Call):
        value = rebuild_tensor(value) if value.name.startswith("torch.") else rebuild_array(value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        value = torch.from_numpy(value.astype(np.float32 if value.itemsize == 4 else np.float64))
    return value.detach() if is_plain(value) and value.numel() else None


def _load_npy(path: Path) -> object:
    """Read one array; one pickled object, such as a dictionary of arrays, as `unpickle` gives it."""
    with damaged(DAMAGED), path.open("rb") as opened:
        file = Bounded(opened)
        shape, fortran, dtype = _read_header(file)
        start = file.tell()
        if not dtype.hasobject:
            return _read_body(file, file.size - start, shape, fortran, dtype)
    match unpickle(path, start):
        case Call(state=(_, (), _, _, [content])):
            return content
    raise InputError("its objects are no dictionary of arrays: save the arrays alone, with allow_pickle=False")


def _load_npz(path: Path) -> dict[str, np.ndarray]:
    """Read every array of an archive that numpy.savez wrote."""
    with damaged(DAMAGED), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if sum(info.file_size for info in members) > LARGEST:
            raise InputError(f"holds more than {LARGEST >> 20} MiB once unpacked: no file of latents or directions")
        if len(set(archive.namelist())) < len(members):
            raise InputError("damaged: two of its arrays have one name")
        return {info.filename.removesuffix(".npy"): _read_member(archive, info) for info in members}


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    if info.compress_type not in COMPRESSIONS:
        raise InputError(f"{info.filename[:80]} in it is compressed in a way that numpy never does: save it anew")
    with archive.open(info) as file:
        shape, fortran, dtype = _read_header(file)
        if dtype.hasobject:
            raise InputError(f"{info.filename[:80]} in it is pickled: save it plain, with allow_pickle=False")
        return _read_body(file, info.file_size - file.tell(), shape, fortran, dtype)


def _read_header(file: IO[bytes] | Bounded) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read the shape, the order and the type of an array."""
    version = np.lib.format.read_magic(file)  # type: ignore[arg-type]
    if version not in HEADERS:
        raise InputError(f"an array of format version {version}, which no plain numbers need")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers that Python 2 wrote
        shape, fortran, dtype = HEADERS[version](file)  # type: ignore[arg-type]
    return shape, fortran, dtype


def _read_body(
    file: IO[bytes] | Bounded, num_bytes: int, shape: tuple[int, ...], fortran: bool, dtype: np.dtype
) -> np.ndarray:
    """Read the numbers, whose bytes must be there before memory is taken for what the header claims."""
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != num_bytes:
        raise InputError("its array does not fit its bytes: damaged or cut short, fetch it again")
    return np.frombuffer(file.read(num_bytes), dtype).reshape(shape, order="F" if fortran else "C")
