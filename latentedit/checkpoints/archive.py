"""What torch.save writes, read as plain weights: no code of the file runs."""

from __future__ import annotations

import argparse
import io
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from latentedit.checkpoints.inert import CLASSES, FUNCTIONS, Call
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


def load_archive(file: Path | io.BytesIO) -> object:
    """Return the tensors, plain containers and `Call`s of a torch.save file, old layout or new, on the CPU.

    `argparse.Namespace`, which training scripts store beside the weights, is let through.
    """
    with damaged("torch cannot read it: the file is damaged or cut short, fetch it again"):
        _check_zip(file)
        if isinstance(file, io.BytesIO):
            file.seek(0)  # zipfile has read its end
        try:
            with torch.serialization.safe_globals(ALLOWED), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            if refused := re.search(r"GLOBAL (\S+)", str(error)):
                raise InputError(
                    f"refused: it asks for {refused[1]!r}, which plain weights never need; none of its code was run"
                ) from error
            raise


def _check_zip(file: Path | io.BytesIO) -> None:
    """Refuse a zip archive that torch.save did not write, or one that unfolds to more than the bytes it has."""
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        size = archive.fp.seek(0, io.SEEK_END) if archive.fp else 0
    if not any(entry.filename.endswith("data.pkl") for entry in entries):
        raise InputError("a zip archive, but none that torch.save wrote: unpack it and give the checkpoint inside")
    if sum(entry.file_size for entry in entries) > size:
        raise InputError("refused: a compressed archive, which torch.save never writes: unpack it first")


def require_plain(name: str, value: object) -> Tensor:
    """Return a plain tensor; refuse any other thing."""
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
