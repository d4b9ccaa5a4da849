"""What torch.save writes, read as plain weights: no code of the file runs."""

from __future__ import annotations

import argparse
import io
import re
import zipfile
from pathlib import Path

import torch

from latentedit.errors import InputError


def load_archive(file: Path | io.BytesIO) -> object:
    """Return the tensors and plain containers of a torch.save file, old layout or new, on the CPU.

    `argparse.Namespace`, which training scripts store beside the weights, is let through.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch raises a dozen types on a damaged file
        raise InputError(_explain(file, error)) from error


def _explain(file: Path | io.BytesIO, error: Exception) -> str:
    refused = re.search(r"GLOBAL (\S+)", str(error))
    if refused:
        return f"refused: it asks for {refused[1]!r}, which plain weights never need; none of its code was run"
    if isinstance(file, Path) and zipfile.is_zipfile(file) and not _holds_pickle(file):
        return "a zip archive, but none that torch.save wrote: unpack it and give the checkpoint inside"
    return "torch cannot read it: the file is damaged or cut short, fetch it again"


def _holds_pickle(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("data.pkl") for name in archive.namelist())
