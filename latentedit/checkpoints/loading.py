"""Open a weight file of any known format, recognised by its content."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from latentedit.checkpoints import encoders, native, nvidia, rosinality, state_dicts, tf_legacy
from latentedit.checkpoints.archive import load_archive, open_archive
from latentedit.checkpoints.checkpoint import Checkpoint, pick_network
from latentedit.checkpoints.inert import Call, Network
from latentedit.checkpoints.inspection import TORCH_LEGACY, ZIP
from latentedit.checkpoints.records import HEADER_KEY, open_tensors, parse_header, starts_as_record
from latentedit.checkpoints.unpickler import unpickle
from latentedit.errors import InputError, about
from latentedit.files import require_regular
from latentedit.garbage import collection_paused

PICKLE = b"\x80"


def load_generator_file(path: str | Path) -> Checkpoint:
    """Load a generator from any file of the field: .pkl, .pt, .pth or .safetensors.

    The content decides, not the suffix, and no code that a file carries is run. `Checkpoint.format`
    says which tool wrote the file. Raises InputError, one line that names the file, for anything
    that is no StyleGAN generator in full. The weights are held against the fingerprint that a file
    states, as latentedit's do, when `Checkpoint.fingerprint` is first asked for.
    """
    with about(path), collection_paused():
        return replace(_read(Path(path)), path=Path(path))


def _read(path: Path) -> Checkpoint:
    """Choose the reader by the first bytes of the file, and then by what it holds."""
    require_regular(path)
    with path.open("rb") as file:
        start = file.read(64)
    if starts_as_record(path):
        tensors, metadata = open_tensors(path)
        return native.interpret(tensors, parse_header(metadata)) if HEADER_KEY in metadata else _interpret(tensors)
    if holds_pickle(start):
        return _interpret(open_archive(path) if start.startswith(ZIP) else load_pickled(path, start))
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise InputError("a web page, not a checkpoint: the download went wrong, fetch the file again")
    if not start:
        raise InputError("empty: fetch it again")
    raise InputError("no checkpoint: give an NVIDIA .pkl, a rosinality .pt or a latentedit .safetensors file")


def holds_pickle(start: bytes) -> bool:
    """Tell by its first bytes whether a file is a pickle or one of torch.save's."""
    return start.startswith((ZIP, PICKLE))


def load_pickled(path: Path, start: bytes) -> object:
    """Decode such a file: plain values, containers and tensors as they are, everything else as `Call`."""
    return load_archive(path) if start.startswith((ZIP, TORCH_LEGACY)) else unpickle(path)


def _interpret(content: object) -> Checkpoint:
    """Choose the format by what the file holds at the top."""
    match content:
        case Network() | tuple():
            return tf_legacy.interpret(content)
        case Call():
            return nvidia.interpret(content, "pti")
        case dict():
            return _interpret_dictionary(content)
    raise InputError("holds no networks by name: no checkpoint of a StyleGAN generator")


def _interpret_dictionary(content: dict[str, Any]) -> Checkpoint:
    """Choose the format by the names of the networks or, in a plain state dict, of the tensors."""
    match content:
        case {"GAN": _, "version": _}:
            raise InputError(
                "a lucidrains stylegan2-pytorch checkpoint: another architecture (one style a block, noise from "
                "an image, no low-pass filters), which no conversion turns into StyleGAN2"
            )
        case {"state_dict": _}:
            return encoders.interpret(content)
        case {"g_ema": _} | {"g": _}:
            return rosinality.interpret(content)
        case {"input.input": _}:
            return rosinality.interpret({"g_ema": content})
        case {"synthesis.b4.const": _} | {"synthesis.input.weight": _}:
            return state_dicts.interpret(content)
        case {"G_ema": _} | {"G": _}:
            network, notes = pick_network(content, "G_ema", "G")
            if isinstance(network, Call):
                return nvidia.interpret(network, "nvidia", notes)
            return state_dicts.interpret(network, notes)
    raise InputError(
        "holds no G_ema or G (NVIDIA), no g_ema or g (rosinality), no state_dict (pSp, e4e): "
        "no checkpoint of a StyleGAN generator"
    )
