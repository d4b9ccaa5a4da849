"""Open a weight file of any known format, recognised by its content."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import torch

from latentedit.checkpoints import native, nvidia, rosinality
from latentedit.checkpoints.checkpoint import Checkpoint
from latentedit.errors import InputError, about

TORCH_LEGACY = pickle.dumps(torch.serialization.MAGIC_NUMBER, protocol=2)
MAX_HEADER = 100_000_000  # bytes, safetensors' own limit


def load_generator_file(path: str | Path) -> Checkpoint:
    """Load a generator from a file: NVIDIA's .pkl, rosinality's .pt, latentedit's .safetensors.

    The content decides, not the suffix, and no code that a file carries is run. Raises InputError,
    one line that names the file, for anything that is no StyleGAN generator in full.
    """
    with about(path):
        return _recognise(Path(path))(Path(path))


def _recognise(path: Path) -> Callable[[Path], Checkpoint]:
    """Choose the reader by the first bytes of the file."""
    with path.open("rb") as file:
        start = file.read(64)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= MAX_HEADER:
        return native.read
    if start.startswith((b"PK\x03\x04", TORCH_LEGACY)):
        return rosinality.read
    if start[:1] == b"\x80":
        return nvidia.read
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise InputError("a web page, not a checkpoint: the download went wrong, fetch the file again")
    if not start:
        raise InputError("empty: fetch it again")
    raise InputError("no checkpoint: give an NVIDIA .pkl, a rosinality .pt or a latentedit .safetensors file")
