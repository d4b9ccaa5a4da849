"""What torch.save writes, read as plain weights: no code of the file runs."""

from __future__ import annotations

import argparse
import io
import pickle
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from latentedit.checkpoints.inert import CLASSES, FUNCTIONS, Call
from latentedit.checkpoints.inspection import inspect_archive, refuse_name
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
        inspect_archive(file)
        try:
            with torch.serialization.safe_globals(ALLOWED), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            if refused := re.search(r"GLOBAL (\S+)", str(error)):
                raise InputError(refuse_name(refused[1])) from error
            raise


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
