"""Generators by name: the bundled one, or any file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from latentedit.checkpoints.checkpoint import Checkpoint
from latentedit.checkpoints.loading import load_generator_file
from latentedit.errors import InputError
from latentedit.networks import Generator

ASSETS = Path(__file__).parent.parent / "assets"
BUNDLED = {"faces": ASSETS / "faces.safetensors"}


def load_checkpoint(network: str | Path = "faces", device: str = "cpu") -> Checkpoint:
    """Open a generator by its name (`faces` is bundled) or its file, with what the file says of it."""
    path = BUNDLED.get(str(network), Path(network))
    if not path.exists():
        raise InputError(f"network {str(network)!r} is neither a file nor one of {', '.join(BUNDLED)}: check the path")
    checkpoint = load_generator_file(path)
    checkpoint.generator.to(choose_device(device))
    return checkpoint


def load_generator(network: str | Path = "faces", device: str = "cpu") -> Generator:
    """Load a generator, ready to render, by its name (`faces` is bundled) or its file."""
    return load_checkpoint(network, device).generator


def choose_device(device: str) -> torch.device:
    """Turn `auto` into the fastest device at hand; refuse one that is not."""
    seen: dict[str, Callable[[], bool]] = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if device == "auto":
        return torch.device(next((name for name, is_available in seen.items() if is_available()), "cpu"))
    if device in seen and not seen[device]():
        kind = {"cuda": "GPU", "mps": "Apple GPU"}[device]
        raise InputError(f"device {device!r}: torch sees no {kind} here, use --device auto or cpu")
    return torch.device(device)
