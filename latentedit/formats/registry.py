"""The formats of other tools' directions: read by what a file holds, written by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from latentedit.arrays import load_content
from latentedit.direction import Direction
from latentedit.errors import InputError, about
from latentedit.formats import e4e, ganalyze, ganspace, higan, interfacegan, rosinality, stylegan2directions, stylespace
from latentedit.formats.entry import Entry
from latentedit.formats.stylespace import TEXT_TO_CHANNELS, is_text_to_channels
from latentedit.formats.writing import Owner
from latentedit.vocabulary import DirectionFormat

Reader = Callable[[object, str], list[Entry]]  # a file's content and its stem -> its directions, none if not its own
FORMATS: dict[str, Reader] = {
    "InterFaceGAN boundary": interfacegan.read,
    "HiGAN boundary": higan.read,
    "stylegan2directions": stylegan2directions.read,
    "e4e direction": e4e.read,
    "GANSpace edit": ganspace.read_edit,  # before the components, whose keys it has too
    "GANSpace components": ganspace.read_components,
    "rosinality factor": rosinality.read,
    "GANalyze direction": ganalyze.read,
}
Writer = Callable[[Path, Direction, Owner], None]
WRITERS: dict[DirectionFormat, Writer] = {
    "interfacegan": interfacegan.write,
    "stylegan2directions": stylegan2directions.write,
    "e4e": e4e.write,
    "ganspace": ganspace.write_components,
    "ganspace-edit": ganspace.write_edit,
    "rosinality": rosinality.write,
    "ganalyze": ganalyze.write,
    "stylespace": stylespace.write,
}


def read_entries(path: Path) -> list[Entry]:
    """Read all directions of a file, whatever tool wrote it; each says its format and file in its facts."""
    with about(path):
        content = load_content(path)
        if entries := recognise(content, path):
            return entries
        if is_text_to_channels(content):
            raise InputError(TEXT_TO_CHANNELS)
        raise InputError(f"holds no direction of a known format ({', '.join(FORMATS)}): perhaps latents, for --latents")


def recognise(content: object, path: Path) -> list[Entry]:
    """Find the format of a file's content and read it; no entries where it is none of the known ones."""
    for format, read in FORMATS.items():
        if entries := read(content, path.stem):
            said = {"format": format, "file": path.name}
            return [replace(entry, facts={**said, "entry": entry.name, **entry.facts}) for entry in entries]
    return []
