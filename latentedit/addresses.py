"""Where a direction is to be found: a file, something published, and which one in it."""

from __future__ import annotations

from pathlib import Path

from latentedit.downloads import find_item, is_url, obtain

SUFFIX = ".safetensors"
SUFFIXES = (SUFFIX, ".npy", ".npz", ".pt", ".pth", ".pkl")  # what tells a file from a name


def is_address(text: str) -> bool:
    """Tell what needs no generator to be found, a file or something published, from a name of the library."""
    return is_file_address(text) or find_item(_split_published(text)[0]) is not None


def is_file_address(text: str) -> bool:
    """Tell a file, `FILE:INDEX` or `FILE:NAME` from a name."""
    return not is_url(text) and split_address(text)[0].suffix.lower() in SUFFIXES


def locate(address: str) -> tuple[Path, str]:
    """Return the file of an address and which of its directions is meant, all of them if empty.

    What is published, by its name or at an https address, is downloaded if it is not in the cache.
    """
    name, which = _split_published(address)
    item = None if is_file_address(address) else find_item(name, "direction")
    return (obtain(item), which) if item else split_address(address)


def split_address(text: str) -> tuple[Path, str]:
    """Split `FILE:INDEX` or `FILE:NAME`: -> the file and which of its directions, all of them if empty."""
    path, _, which = text.rpartition(":")
    if Path(path).suffix.lower() in SUFFIXES and not Path(text).exists():
        return Path(path), which
    return Path(text), ""


def _split_published(text: str) -> tuple[str, str]:
    """Split `NAME:INDEX` or `https://...:INDEX`: -> the name or address and which of its directions."""
    name, _, which = text.rpartition(":")
    return (name, which) if name and "/" not in which else (text, "")
