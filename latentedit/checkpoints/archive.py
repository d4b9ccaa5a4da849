"""What torch.save writes, read as plain weights: no code of the file runs."""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
import zipfile
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from latentedit.checkpoints.inert import CLASSES, FUNCTIONS, Call
from latentedit.checkpoints.inspection import inspect_archive, refuse_name
from latentedit.checkpoints.stored import Span, StoredTensor, WeightFile
from latentedit.errors import InputError, damaged

# What a checkpoint may name besides tensors: the settings of training scripts, and the stand-ins of
# whole networks. torch's own reader takes these instead of what the names stand for elsewhere.
ALLOWED: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    argparse.Namespace,
    Call,
    *((value, name) for name, value in CLASSES.items()),
    *((value, name) for name, value in FUNCTIONS.items()),
]

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def load_archive(file: Path, device: str = "cpu") -> object:
    """Return the tensors, plain containers and `Call`s of a torch.save file, old layout or new.

    `argparse.Namespace`, which training scripts store beside the weights, is let through.
    """
    with damaged("torch cannot read it: the file is damaged or cut short, fetch it again"):
        inspect_archive(file)
        try:
            with torch.serialization.safe_globals(ALLOWED), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return torch.load(file, map_location=device, weights_only=True)
        except pickle.UnpicklingError as error:
            if refused := re.search(r"GLOBAL (\S+)", str(error)):
                raise InputError(refuse_name(refused[1])) from error
            raise


def open_archive(path: Path) -> object:
    """Return what `load_archive` does of a zip archive, but its tensors as `StoredTensor`s that are yet to be read."""
    content = load_archive(path, "meta")
    with damaged("torch cannot read it: the file is damaged or cut short, fetch it again"):
        try:
            return _Locator(path).locate(content)
        except AttributeError:  # an older torch does not say where storages lie
            return load_archive(path)


class _Locator:
    """Finds where the tensors of a zip archive lie, which torch has made without their numbers."""

    def __init__(self, path: Path) -> None:
        self.file = WeightFile(path)
        with zipfile.ZipFile(path) as archive:
            self.ends = sorted([*(entry.header_offset for entry in archive.infolist()), archive.start_dir])
        self.seen: set[int] = set()

    def locate(self, value: object) -> object:
        """Replace the tensors in a thing, containers and `Call`s in place."""
        if isinstance(value, Tensor):
            return self._locate_tensor(value)
        if isinstance(value, tuple):
            return tuple(self.locate(item) for item in value)
        if id(value) not in self.seen:
            self.seen.add(id(value))
            match value:
                case dict():
                    value.update({key: self.locate(item) for key, item in value.items()})
                case list():
                    value[:] = [self.locate(item) for item in value]
                case Call():
                    value.args, value.state = tuple(map(self.locate, value.args)), self.locate(value.state)
        return value

    def _locate_tensor(self, tensor: Tensor) -> object:
        if not tensor.is_meta or tensor.layout != torch.strided:
            return tensor
        storage = tensor.untyped_storage()
        start = storage._checkpoint_offset
        if start is None:
            raise AttributeError("torch does not say where it lies")
        room = self.ends[bisect_right(self.ends, start)] - start  # up to the next entry of the archive
        numbers = Span(self.file, start, min(storage.nbytes(), room))
        return StoredTensor(numbers, tensor.dtype, int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride())


def require_plain(name: str, value: object) -> Tensor:
    """Return a plain tensor, read now if it still lies in its file; refuse any other thing."""
    if isinstance(value, StoredTensor) and value.dtype in DTYPES:
        value = value.read()
    if not is_plain(value):
        raise InputError(f"{name} is not stored as plain floating-point numbers")
    return value.detach()


def is_plain(value: object) -> TypeGuard[Tensor]:
    """Tell whether a thing is a tensor of floating-point numbers that lies in memory, all of it.

    A few bytes of a file can claim terabytes.
    """
    if not isinstance(value, Tensor) or type(value) not in (Tensor, nn.Parameter) or value.dtype not in DTYPES:
        return False
    is_here = value.layout == torch.strided and value.device.type == "cpu"
    return is_here and value.untyped_storage().nbytes() >= value.nbytes


def require_state(content: object) -> dict[str, Tensor]:
    """Return a dictionary of plain tensors under their names."""
    if not isinstance(content, dict):
        raise InputError("its generator is no dictionary of tensors")
    return {str(name): require_plain(f"{name!s:.80}", value) for name, value in content.items()}
