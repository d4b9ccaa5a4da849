"""Generators by name: the bundled one, a published one, or any file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from latentedit.checkpoints.checkpoint import Checkpoint
from latentedit.checkpoints.loading import load_generator_file
from latentedit.downloads import find_item, obtain, suggest_items
from latentedit.errors import InputError
from latentedit.networks import Generator


def load_checkpoint(network: str | Path = "faces", device: str = "cpu") -> Checkpoint:
    """Open a generator by its name, file or https address, with what is said of it.

    `faces` is bundled; the other names of `latentedit models list` and addresses are downloaded at
    their first use, after saying size and licence, and are checked at every further one.
    """
    place = choose_device(device)
    item = find_item(str(network), "generator")
    path = obtain(item) if item else Path(network)
    if not path.exists():
        mend = suggest_items(str(network), "generator")
        raise InputError(f"network {str(network)!r} is neither a file nor a known name: {mend}")
    checkpoint = load_generator_file(path)
    if place.type != "cpu":
        checkpoint.generator.to(place)
    if item is None:
        return checkpoint
    return replace(checkpoint, source=checkpoint.source or item.source, licence=checkpoint.licence or item.licence)


def load_generator(network: str | Path = "faces", device: str = "cpu") -> Generator:
    """Load a generator, ready to render, by its name, file or https address, as `load_checkpoint` does."""
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
