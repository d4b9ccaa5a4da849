"""The direction library: names to files, the bundled ones and the user's own."""

from __future__ import annotations

import json
import re
import reprlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import directions
from latentedit.checkpoints import load_record, save_record
from latentedit.direction import Direction, cosines
from latentedit.downloads import list_items, suggest
from latentedit.errors import InputError, Notice, about, damaged, one_line
from latentedit.files import home, read_small
from latentedit.formats import Entry
from latentedit.spaces import StyleDirection, make_direction
from latentedit.vocabulary import UNITS

KIND = "direction"
LONGEST_NAME = 255  # characters, as of a file's
SUFFIX = ".safetensors"
HIDING = "it hides the bundled one of that name: `latentedit directions remove {name}` brings that back"
ALIKE = 0.98  # the cosine from which two directions are nearly the same


def list_directions(generator: str | None) -> dict[str, Path]:
    """List the directions of a generator's fingerprint by name; the user's own hide bundled ones.

    Among them are those that the user imported for whichever generator they fit; None lists these alone.
    """
    return list_bundled(generator) | list_own(generator)


def list_bundled(generator: str | None) -> dict[str, Path]:
    """List the directions that come with latentedit for a generator's fingerprint."""
    return _directions_in(folder for folder in _bundled_folders() if read_index(folder / "index.json") == generator)


def list_own(generator: str | None) -> dict[str, Path]:
    """List the user's own directions for a generator's fingerprint, and those for whichever they fit."""
    return _directions_in([user_folder(None), user_folder(generator)])


def _directions_in(folders: Iterable[Path]) -> dict[str, Path]:
    """List the files of folders by name; later folders hide earlier ones."""
    return {path.stem: path for folder in folders for path in sorted(folder.glob(f"*{SUFFIX}"))}


def _bundled_folders() -> list[Path]:
    """List the folders of the installed library, one a generator."""
    return sorted(index.parent for index in Path(directions.__file__).parent.glob("*/index.json"))


def read_index(path: Path) -> str:
    """Read from a folder's index which generator its directions belong to: -> its fingerprint."""
    with about(path), damaged("no index of directions: install latentedit anew"):
        return _require_fingerprint(json.loads(read_small(path))["generator"])


def _require_fingerprint(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("no fingerprint")
    return text


def find_direction(name: str, generator: str | None) -> Path:
    """Find the file of a direction; an unknown name is answered with the nearest ones."""
    known = list_directions(generator)
    if name not in known:
        published = [item.name for item in list_items().values() if item.kind == "direction"]
        near = suggest(name, [*known, *published]) or sorted(known)
        mend = f"did you mean {', '.join(near)}?" if near else "this generator has none yet, give a file"
        raise InputError(f"direction {name!r} is not known: {mend}")
    _tell_hidden(name, generator)
    return known[name]


def _tell_hidden(name: str, generator: str | None) -> None:
    """Say so where the user's own direction hides a bundled one."""
    if name in list_bundled(generator) and name in list_own(generator):
        warnings.warn(Notice(f"direction {name} is your own, {HIDING.format(name=name)}"), stacklevel=3)


def remove_direction(name: str, generator: str | None) -> Path:
    """Remove one of the user's own directions; return the file that is gone."""
    own = list_own(generator)
    if name not in own:
        bundled = name in list_bundled(generator)
        mend = "it comes with latentedit" if bundled else f"yours are {', '.join(own) or 'none'}"
        raise InputError(f"direction {name!r} is none of your own: {mend}")
    with about(own[name]):
        own[name].unlink()
    return own[name]


def user_folder(generator: str | None) -> Path:
    """Name the folder of the user's own directions for a generator, or, None, of those that name no generator."""
    return home() / "directions" / (generator[:16] if generator else "any")


def save_direction(direction: Direction, path: Path) -> None:
    """Write a direction to one safetensors file with its description as JSON, whole or not at all."""
    header = {
        "kind": KIND,
        "name": direction.name,
        "space": direction.space,
        "layers": list(direction.layers),
        "unit": direction.unit,
        "sigma": direction.sigma,
        "generator": direction.generator,
        "provenance": direction.provenance,
    }
    if isinstance(direction, StyleDirection):
        header["style_widths"] = list(direction.style_widths)
    save_record(path, {"vector": direction.vector}, header)


def read_direction(path: Path) -> Direction:
    """Read what `save_direction` wrote."""
    tensors, header = load_record(path)
    if header.get("kind") != KIND or "vector" not in tensors:
        raise InputError(
            f"{path} holds a {reprlib.repr(header.get('kind', 'record'))}, not a direction: give another file"
        )
    try:
        return _from_header(tensors["vector"], header)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is no intact direction ({one_line(error)}): fetch or make it again") from error


def _from_header(vector: torch.Tensor, header: dict[str, Any]) -> Direction:
    """Put a direction together from a record, whose header anybody may have written."""
    fields = {key: header[key] for key in ("name", "unit", "sigma", "generator", "provenance")}
    fields["sigma"] = None if fields["sigma"] is None else float(fields["sigma"])
    sound = {
        "name": _is_name(fields["name"]),
        "unit": fields["unit"] in UNITS,
        "generator": fields["generator"] is None or isinstance(fields["generator"], str),
        "provenance": isinstance(fields["provenance"], dict),
    }
    if wrong := [key for key, is_sound in sound.items() if not is_sound]:
        raise ValueError(f"{wrong[0]} {str(header[wrong[0]])[:40]!r}")
    if header.get("space") == "s":
        fields["style_widths"] = tuple(int(width) for width in header["style_widths"])
    layers = tuple(int(layer) for layer in header["layers"])
    return make_direction(header.get("space", "w"), vector=vector, layers=layers, **fields)


def _is_name(name: object) -> bool:
    """Tell whether a name can be printed, and is no path."""
    return isinstance(name, str) and len(name) <= LONGEST_NAME and name.isprintable() and "/" not in name


def check_name(name: str) -> str:
    """Return a name that can be a file's, or raise InputError."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise InputError(f"name {name!r}: use letters, digits, '_', '-' and '.', 64 at most")
    return name


def store_direction(direction: Direction, generator: str | None) -> Path:
    """Put a direction among the user's own, under its name; return the file. None keeps it for any it fits."""
    path = user_folder(generator) / f"{check_name(direction.name)}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_direction(replace(direction, generator=generator), path)
    _tell_hidden(direction.name, generator)
    return path


def find_alike(entries: Sequence[Entry], least: float = ALIKE) -> list[tuple[str, Path, float]]:
    """Find the directions of the whole library, whatever generator's, that a file's directions repeat.

    Returns the names in the file, the known ones' files, and the cosines, of at least `least` or at most -`least`.
    """
    usable = [entry for entry in entries if entry.rows.isfinite().all() and entry.rows.any()]
    folders = [*_bundled_folders(), *sorted((home() / "directions").glob("*"))]
    paths = [path for folder in folders for path in _directions_in([folder]).values()]
    found = []
    for path, known in read_intact(paths):
        laid = [(entry.name, entry.lay(max(known.layers) + 1)) for entry in usable]
        fitting = [(name, one) for name, one in laid if (type(one), one.widths) == (type(known), known.widths)]
        values = cosines([known, *(one for _, one in fitting)])[0, 1:].tolist()
        found += [(name, path, v) for (name, _), v in zip(fitting, values, strict=True) if abs(v) >= least]
    return found


def read_intact(paths: Iterable[Path]) -> Iterator[tuple[Path, Direction]]:
    """Read the directions of files, passing over those that are damaged."""
    for path in paths:
        with suppress(InputError):
            yield path, read_direction(path)


def find_repeats(entries: Sequence[Entry], least: float = ALIKE) -> list[tuple[str, str, float]]:
    """Find the pairs of one file's directions, of one shape, that are nearly the same: their names and cosine."""
    rows = torch.stack([entry.rows.double().flatten() for entry in entries])
    unit = torch.nn.functional.normalize(rows)
    table = (unit @ unit.t()).triu(diagonal=1)
    pairs = (table.abs() >= least).nonzero().tolist()
    return [(entries[i].name, entries[j].name, float(table[i, j])) for i, j in pairs]
