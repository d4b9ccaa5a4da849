"""The direction library: names to files, the bundled ones and the user's own."""

from __future__ import annotations

import difflib
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import directions
from latentedit.checkpoints import fingerprint, load_record, save_record
from latentedit.direction import UNITS, Direction, check_same_generator
from latentedit.errors import InputError, about
from latentedit.networks import Generator

KIND = "direction"
SUFFIX = ".safetensors"


def load_direction(name: str | Path, generator: Generator, any_generator: bool = False) -> Direction:
    """Load a direction for a generator, by its name in the library or by its file.

    A file is latentedit's .safetensors or InterFaceGAN's .npy, (1, w_dim), which moves every layer.
    One that belongs to another generator is an error unless `any_generator`.
    """
    wanted = fingerprint(generator)
    path = Path(name) if Path(name).suffix in (SUFFIX, ".npy") else find_direction(str(name), wanted)
    direction = _read_npy(path, generator.config.num_ws) if path.suffix == ".npy" else read_direction(path)
    if not any_generator:
        check_same_generator(direction.name, direction.generator, wanted)
    width, last = direction.vector.shape[1], max(direction.layers)
    if width != generator.config.w_dim or last >= generator.config.num_ws:
        raise InputError(
            f"direction {name} has width {width} and layers up to {last}, this generator width "
            f"{generator.config.w_dim} and layers 0-{generator.config.num_ws - 1}: they don't fit"
        )
    return direction


def list_directions(generator: str) -> dict[str, Path]:
    """List the directions of a generator's fingerprint by name; the user's own hide bundled ones."""
    folders = [folder for folder in _bundled_folders() if _generator_of(folder) == generator]
    files = [path for folder in [*folders, user_folder(generator)] for path in sorted(folder.glob(f"*{SUFFIX}"))]
    return {path.stem: path for path in files}


def _bundled_folders() -> list[Path]:
    """List the folders of the installed library, one a generator."""
    return sorted(index.parent for index in Path(directions.__file__).parent.glob("*/index.json"))


def _generator_of(folder: Path) -> str:
    """Read from a folder's index which generator its directions belong to."""
    return str(json.loads((folder / "index.json").read_text())["generator"])


def find_direction(name: str, generator: str) -> Path:
    """Find the file of a direction; an unknown name is answered with the nearest ones."""
    known = list_directions(generator)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or sorted(known)
        mend = f"did you mean {', '.join(near)}?" if near else "this generator has none yet, give a file"
        raise InputError(f"direction {name!r} is not known: {mend}")
    return known[name]


def user_folder(generator: str) -> Path:
    """Name the folder of the user's own directions, in $LATENTEDIT_HOME or ~/.latentedit."""
    home = Path(os.environ.get("LATENTEDIT_HOME") or Path.home() / ".latentedit")
    return home / "directions" / generator[:16]


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
        raise InputError(f"{path} holds a {header.get('kind', 'record')}, not a direction: give another file")
    try:
        return _from_header(tensors["vector"], header)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no intact direction ({error}): fetch or make it again") from error


def _from_header(vector: torch.Tensor, header: dict[str, Any]) -> Direction:
    """Put a direction together from a record."""
    if header["unit"] not in UNITS:
        raise ValueError(f"unit {header['unit']!r}")
    fields = {key: header[key] for key in ("name", "unit", "sigma", "generator", "provenance")}
    return Direction(vector=vector, layers=tuple(int(layer) for layer in header["layers"]), **fields)


def _read_npy(path: Path, num_ws: int) -> Direction:
    """Read InterFaceGAN's boundary, (w_dim,) or (1, w_dim), as a direction that moves every layer."""
    with about(path):
        try:
            array = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise InputError("no plain .npy array: InterFaceGAN's (1, w_dim) is needed") from error
    if not isinstance(array, np.ndarray) or array.ndim > 2 or array.size != array.shape[-1] or array.dtype.kind != "f":
        raise InputError(f"{path} is no direction of InterFaceGAN: a float array of shape (1, w_dim) is needed")
    vector = torch.from_numpy(array.astype(np.float64)).reshape(1, -1).repeat(num_ws, 1)
    provenance = {"method": "imported", "file": path.name}
    return Direction(path.stem.removesuffix("_boundary"), vector, tuple(range(num_ws)), provenance=provenance)


def check_name(name: str) -> str:
    """Return a name that can be a file's, or raise InputError."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise InputError(f"name {name!r}: use letters, digits, '_', '-' and '.', 64 at most")
    return name


def store_direction(direction: Direction, generator: str) -> Path:
    """Put a direction among the user's own, under its name; return the file."""
    path = user_folder(generator) / f"{check_name(direction.name)}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_direction(replace(direction, generator=generator), path)
    return path
