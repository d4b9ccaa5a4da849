"""The direction library: names to files, the bundled ones and the user's own."""

from __future__ import annotations

import difflib
import json
import os
import re
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import directions
from latentedit.checkpoints import fingerprint, load_record, save_record
from latentedit.direction import UNITS, Direction, check_same_generator, cosines
from latentedit.errors import InputError, about, damaged, one_line
from latentedit.files import require_regular
from latentedit.formats import Entry, parse_channel, read_entries
from latentedit.networks import Generator
from latentedit.ranges import parse_indices

KIND = "direction"
LARGEST_INDEX = 2**20  # bytes: a hundred times the bundled one
LONGEST_NAME = 255  # characters, as of a file's
SUFFIX = ".safetensors"
SUFFIXES = (SUFFIX, ".npy", ".npz", ".pt", ".pth", ".pkl")  # what tells a file from a name
ALIKE = 0.98  # the cosine from which two directions are nearly the same


def load_direction(name: str | Path, generator: Generator | None, any_generator: bool = False) -> Direction:
    """Load a direction for a generator, by its name in the library or by its file.

    A file is latentedit's .safetensors or one of another tool's (`latentedit.formats`); `FILE:INDEX`
    or `FILE:NAME` picks from a file of many. One that belongs to another generator is an error
    unless `any_generator`, which then also leaves out the layers that this one lacks. Without a
    generator at hand, None, the usual number of layers for the width is assumed where the file
    does not say it, and noted in the provenance.
    """
    found = load_directions(name, generator, any_generator)
    if len(found) > 1:
        path, ends = split_address(str(name))[0], f"{found[0].name} to {found[-1].name}"
        raise InputError(f"{name} holds {len(found)} directions, {ends}: pick one, such as {path}:0")
    return found[0]


def load_directions(name: str | Path, generator: Generator | None, any_generator: bool = False) -> list[Direction]:
    """Load every direction that a name or an address, which may be `FILE:0-9`, stands for; else as `load_direction`."""
    if is_address(str(name)):
        found = _read_address(str(name), None if generator is None else generator.config.num_ws)
    else:
        found = [read_direction(find_direction(str(name), None if generator is None else fingerprint(generator)))]
    if generator is None:
        return found
    with about(name):
        return [fit(direction, generator, any_generator) for direction in found]


def _read_address(address: str, num_ws: int | None) -> list[Direction]:
    """Read all directions that an address names, laid on `num_ws` layers where the file names none."""
    path, which = split_address(address)
    if path.suffix.lower() == SUFFIX:
        return [read_direction(path)]
    entries = read_entries(path)
    with about(path):
        return [entry.lay(num_ws) for entry in choose_entries(entries, which)]


def fit(direction: Direction, generator: Generator, any_generator: bool = False) -> Direction:
    """Return the direction if it is one of the generator's; `any_generator` asks for no more than its width."""
    config, last = generator.config, max(direction.layers)
    made_for = direction.provenance.get("num_ws")
    if direction.vector.shape[1] != config.w_dim:
        raise InputError(
            f"direction {direction.name} has width {direction.vector.shape[1]} and layers up to {last}, this generator "
            f"width {config.w_dim} and layers 0-{config.num_ws - 1}: they don't fit"
        )
    if any_generator:
        return _narrow(direction, config.num_ws)
    check_same_generator(direction.name, direction.generator, fingerprint(generator))
    if last >= config.num_ws or made_for not in (None, config.num_ws):
        raise InputError(
            f"direction {direction.name} is for {made_for or 'more'} layers and moves layers up to {last}, this "
            f"generator has {config.num_ws}: pass --any-generator (any_generator=True) to move those that it has"
        )
    return direction


def _narrow(direction: Direction, num_ws: int) -> Direction:
    """Leave out the layers that a generator lacks, and say that it is meant for this one now."""
    held = [i for i, layer in enumerate(direction.layers) if layer < num_ws]
    if not held:
        raise InputError(f"direction {direction.name} moves only layers above the last of this generator, {num_ws - 1}")
    return replace(
        direction,
        vector=direction.vector[held],
        layers=tuple(direction.layers[i] for i in held),
        provenance={**direction.provenance, "num_ws": num_ws},
    )


def is_address(text: str) -> bool:
    """Tell a file, `FILE:INDEX` or `FILE:NAME` from a name of the library."""
    return split_address(text)[0].suffix.lower() in SUFFIXES


def split_address(text: str) -> tuple[Path, str]:
    """Split `FILE:INDEX` or `FILE:NAME`: -> the file and which of its directions, all of them if empty."""
    path, _, which = text.rpartition(":")
    if Path(path).suffix.lower() in SUFFIXES and not Path(text).exists():
        return Path(path), which
    return Path(text), ""


def choose_entries(entries: list[Entry], which: str) -> list[Entry]:
    """Pick entries by name or by position; all of them where nothing is asked."""
    named = [entry for entry in entries if which in ("", entry.name)]
    return named or [entries[i] for i in parse_indices(which, len(entries))]


def list_directions(generator: str | None) -> dict[str, Path]:
    """List the directions of a generator's fingerprint by name; the user's own hide bundled ones.

    Among them are those that the user imported for whichever generator they fit; None lists these alone.
    """
    folders = [folder for folder in _bundled_folders() if read_index(folder / "index.json") == generator]
    return _directions_in([*folders, user_folder(None), user_folder(generator)])


def _directions_in(folders: Iterable[Path]) -> dict[str, Path]:
    """List the files of folders by name; later folders hide earlier ones."""
    return {path.stem: path for folder in folders for path in sorted(folder.glob(f"*{SUFFIX}"))}


def _bundled_folders() -> list[Path]:
    """List the folders of the installed library, one a generator."""
    return sorted(index.parent for index in Path(directions.__file__).parent.glob("*/index.json"))


def read_index(path: Path) -> str:
    """Read from a folder's index which generator its directions belong to: -> its fingerprint."""
    require_regular(path)
    with about(path), damaged("no index of directions: install latentedit anew"):
        if path.stat().st_size > LARGEST_INDEX:
            raise InputError(f"an index of more than {LARGEST_INDEX >> 20} MiB: install latentedit anew")
        return _require_fingerprint(json.loads(path.read_text(encoding="utf-8"))["generator"])


def _require_fingerprint(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("no fingerprint")
    return text


def find_direction(name: str, generator: str | None) -> Path:
    """Find the file of a direction; an unknown name is answered with the nearest ones."""
    known = list_directions(generator)
    if name not in known and (channel := parse_channel(name)):
        raise InputError(
            f"direction {name!r} is a channel of StyleSpace, number {channel[1]} of {channel[0]}: "
            "styles cannot be edited here yet, give a direction in W"
        )
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or sorted(known)
        mend = f"did you mean {', '.join(near)}?" if near else "this generator has none yet, give a file"
        raise InputError(f"direction {name!r} is not known: {mend}")
    return known[name]


def user_folder(generator: str | None) -> Path:
    """Name the folder of the user's own directions for a generator, or, None, of those that name no generator."""
    return _home() / "directions" / (generator[:16] if generator else "any")


def _home() -> Path:
    return Path(os.environ.get("LATENTEDIT_HOME") or Path.home() / ".latentedit")


def save_direction(direction: Direction, path: Path) -> None:
    """Write a direction to one safetensors file with its description as JSON, whole or not at all."""
    header = {
        "kind": KIND,
        "name": direction.name,
        "layers": list(direction.layers),
        "unit": direction.unit,
        "sigma": direction.sigma,
        "generator": direction.generator,
        "provenance": direction.provenance,
    }
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
    return Direction(vector=vector, layers=tuple(int(layer) for layer in header["layers"]), **fields)


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
    return path


def find_alike(entries: Sequence[Entry], least: float = ALIKE) -> list[tuple[str, Path, float]]:
    """Find the directions of the whole library, whatever generator's, that a file's directions repeat.

    Returns the names in the file, the known ones' files, and the cosines, of at least `least` or at most -`least`.
    """
    usable = [entry for entry in entries if entry.rows.isfinite().all() and entry.rows.any()]
    folders = [*_bundled_folders(), *sorted((_home() / "directions").glob("*"))]
    found = []
    for path in (path for folder in folders for path in _directions_in([folder]).values()):
        known = read_direction(path)
        fitting = [entry for entry in usable if entry.width == known.vector.shape[1]]
        laid = [entry.lay(max(known.layers) + 1) for entry in fitting]
        values = cosines([known, *laid])[0, 1:].tolist()
        found += [(e.name, path, v) for e, v in zip(fitting, values, strict=True) if abs(v) >= least]
    return found


def find_repeats(entries: Sequence[Entry], least: float = ALIKE) -> list[tuple[str, str, float]]:
    """Find the pairs of one file's directions, of one shape, that are nearly the same: their names and cosine."""
    rows = torch.stack([entry.rows.double().flatten() for entry in entries])
    unit = torch.nn.functional.normalize(rows)
    table = (unit @ unit.t()).triu(diagonal=1)
    pairs = (table.abs() >= least).nonzero().tolist()
    return [(entries[i].name, entries[j].name, float(table[i, j])) for i, j in pairs]
