"""What there is to say of a file: a generator, directions or latents of any tool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from latentedit.addresses import LIST, choose_entries, fit, locate
from latentedit.arrays import is_numpy, load_content
from latentedit.checkpoints import load_checkpoint, load_record
from latentedit.checkpoints.records import has_header
from latentedit.direction import Direction
from latentedit.downloads import find_item, list_items, suggest_items
from latentedit.downloads.expectation import sha256_of
from latentedit.errors import InputError, about
from latentedit.formats import Entry, read_channels, recognise
from latentedit.formats.stylespace import TEXT_TO_CHANNELS, is_text_to_channels
from latentedit.latents import fit_latents, pick_latents
from latentedit.library import SUFFIX, find_alike, find_repeats, read_direction
from latentedit.networks import Generator
from latentedit.population.manifest import read_manifest
from latentedit.population.shards import Shards
from latentedit.ranges import format_ranges
from latentedit.spaces import StyleDirection

DETECTOR = ".onnx"


def describe(address: str, generator: Generator | None = None) -> dict[str, Any]:
    """Collect what there is to say of a file, named, published or by its path, and whether it fits a generator."""
    item = find_item(address)
    if item is not None and item.kind == "generator":
        return _describe_generator(address)
    if Path(address).is_dir():
        return _describe_population(Path(address))
    path, which = locate(address)
    if not path.is_file():
        raise InputError(f"{address} is neither a file nor a known name: {suggest_items(address)}")
    if path.suffix == SUFFIX:
        return _describe_record(path, generator)
    if path.suffix == LIST:
        return {"file": str(path), "kind": "direction", "format": "StyleSpace channels", "name": read_channels(path)}
    if path.suffix == DETECTOR:
        return _describe_detector(path)
    return _describe_arrays(path, which, generator) or _describe_generator(address)


def _describe_population(folder: Path) -> dict[str, Any]:
    """Describe a folder of `latentedit sample`, finished or not."""
    manifest = read_manifest(folder)
    shards = Shards(folder, manifest)
    missing = len(shards.find_missing())
    odd = [f"{missing} of {len(shards)} shards are missing or damaged: run latentedit sample again"] if missing else []
    return {"file": str(folder), "kind": "population", "shards": len(shards), **asdict(manifest), "odd": odd}


def _describe_record(path: Path, generator: Generator | None) -> dict[str, Any]:
    """Describe a .safetensors file, latentedit's own or a bare state dict."""
    with about(path):
        if not has_header(path):
            return _describe_generator(str(path))
    header = load_record(path)[1]
    if header.get("kind") == "direction":
        return describe_direction(path, generator)
    return _describe_generator(str(path)) if header.get("kind") == "generator" else {"file": str(path), **header}


def _describe_arrays(path: Path, which: str, generator: Generator | None) -> dict[str, Any] | None:
    """Describe a file of directions or latents; None where it is neither and may be a checkpoint."""
    with about(path):
        try:
            content = load_content(path)
        except InputError:
            if is_numpy(path):
                raise
            return None  # a checkpoint's own reader knows better what is wrong
        if entries := recognise(content, path):
            facts = _describe_entries(path, choose_entries(entries, which), generator)
            return facts | _say_other_reading(content)
        if latents := pick_latents(content):
            also = {"or": TEXT_TO_CHANNELS} if is_text_to_channels(content) else {}
            return _describe_latents(path, *latents, generator) | also
        if is_numpy(path):
            return _describe_other_arrays(path, content)
    return None


def _describe_other_arrays(path: Path, content: object) -> dict[str, Any]:
    """Describe a file of numpy's that is of no use here, by what is in it."""
    arrays = content if isinstance(content, dict) else {"": content}
    shapes = {name: list(array.shape) for name, array in arrays.items() if isinstance(array, np.ndarray)}
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "kind": "arrays",
        "arrays": [f"{name} {shape}".strip() for name, shape in shapes.items()],
        "odd": ["neither directions nor latents: no command can use it"],
    }


def _describe_detector(path: Path) -> dict[str, Any]:
    """Describe an .onnx file, which only a detector of faces can be; it is not run."""
    digest = sha256_of(path)
    known = next((item for item in list_items().values() if item.sha256 == digest), None)
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "kind": "detector",
        "name": known and known.name,
        "licence": known and known.licence,
        "sha256": digest,
        "odd": [] if known else ["not YuNet's published file: --detector may refuse it"],
    }


def _describe_entries(path: Path, entries: list[Entry], generator: Generator | None) -> dict[str, Any]:
    """Describe the directions of another tool's file."""
    first = entries[0]
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "kind": "direction" if len(entries) == 1 else "directions",
        **{key: value for key, value in first.facts.items() if key not in ("file", "entry")},
        "name": [entry.name for entry in entries],
        "shape": list(first.rows.shape),
        "precision": str(first.rows.dtype).removeprefix("torch."),
        "space": first.space,
        "layers": _say_layers(first),
        "row_norm": [entry.row_norm for entry in entries],
        "unit": first.unit,
        "sigma": [entry.sigma for entry in entries if entry.sigma is not None],
        "assumed": list(first.assumed),
        "odd": list(_find_oddities(path, entries, generator)),
    }


def _say_other_reading(content: object) -> dict[str, str]:
    """Say what the same array is where latents are asked for; what a file is used for decides."""
    latents = pick_latents(content)
    if latents is None:
        return {}
    return {"or": f"{_say_faces(latents[1])}, where --latents names it"}


def _say_faces(w: Tensor) -> str:
    """Say which faces latents are: [N, w_dim], [num_ws, w_dim] or [N, num_ws, w_dim]."""
    count = "one face" if len(w) == 1 else f"{len(w)} faces"
    if w.ndim == 3:
        return f"{count} of {w.shape[1]} rows"
    return f"{count} in W" if len(w) == 1 else f"one face of a generator of {len(w)} layers, else {count} in W"


def _say_layers(entry: Entry) -> str:
    """Say which layers a direction of a file moves."""
    if entry.space == "z":
        return "none, in Z"
    if entry.layers is not None:
        return format_ranges(entry.layers)
    return "all, by the same row" if len(entry.rows) == 1 else f"0-{len(entry.rows) - 1}, each by a row of its own"


def _find_oddities(path: Path, entries: list[Entry], generator: Generator | None) -> Iterator[str]:
    """Say what a user should know before relying on a file's directions."""
    for entry in entries:
        prefix = f"{entry.name}: " if len(entries) > 1 else ""
        misfits = () if generator is None else _find_misfit(entry, generator)
        yield from (prefix + oddity for oddity in [*entry.oddities(), *misfits])
    for name, known, value in find_alike(entries):
        if not known.samefile(path):
            yield f"{name} is nearly the same as {known.stem}, cosine {value:+.4f}, {known}"
    for one, other, value in find_repeats(entries):
        yield f"{one} and {other} are nearly the same, cosine {value:+.4f}"


def _find_misfit(entry: Entry, generator: Generator) -> Iterator[str]:
    """Say why a direction is not one of the generator's, if it is not."""
    try:
        fit(entry.lay(generator.config.num_ws), generator)
    except InputError as error:
        yield str(error)


def _describe_latents(path: Path, format: str, w: Tensor, generator: Generator | None) -> dict[str, Any]:
    """Describe a file of latents."""
    rows = w.flatten(0, -2)
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "kind": "latents",
        "format": format,
        "shape": list(w.shape),
        "meaning": _say_faces(w),
        "row_norm": rows.norm(dim=1).tolist(),
        "odd": list(_find_oddities_of_latents(w, generator)),
    }


def _find_oddities_of_latents(w: Tensor, generator: Generator | None) -> Iterator[str]:
    """Say what a user should know before editing latents."""
    faces = w.flatten(1)
    if num_bad := int((~faces.isfinite().all(dim=1)).sum()):
        yield f"{num_bad} of {len(w)} hold NaN or infinity: they cannot be used"
    if num_zero := int((faces == 0).all(dim=1).sum()):
        yield f"{num_zero} of {len(w)} are zero everywhere"
    if num_repeats := len(w) - len(set(map(tuple, faces.tolist()))):
        yield f"{num_repeats} of {len(w)} repeat others"
    if generator is not None:
        try:
            fit_latents(w, generator)
        except InputError as error:
            yield str(error)


def _describe_generator(name: str) -> dict[str, Any]:
    """Describe a generator's checkpoint."""
    checkpoint = load_checkpoint(name)
    with about(name):
        fingerprint = checkpoint.fingerprint
    return {
        "file": name,
        "kind": "generator",
        "format": checkpoint.format,
        "fingerprint": fingerprint,
        "states_fingerprint": checkpoint.stated_fingerprint is not None,  # then it is this one
        "parameters": sum(p.numel() for p in checkpoint.generator.parameters()),
        "num_ws": checkpoint.config.num_ws,
        **checkpoint.config.to_dict(),
        "source": checkpoint.source,
        "licence": checkpoint.licence,
        "notes": list(checkpoint.notes),
        "card": dict(checkpoint.card),
    }


def describe_direction(path: Path, generator: Generator | None = None) -> dict[str, Any]:
    """Describe a direction's own file."""
    direction = read_direction(path)
    entry = Entry(
        direction.name,
        direction.vector,
        direction.layers,
        generator=direction.generator,
        facts=direction.provenance,
        space=direction.space,
        style_widths=direction.style_widths if isinstance(direction, StyleDirection) else (),
    )
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "kind": "direction",
        "format": "latentedit",
        **direction_facts(direction),
        "odd": list(_find_oddities(path, [entry], generator)),
    }


def direction_facts(direction: Direction) -> dict[str, Any]:
    """Say what there is to say of a direction itself."""
    moved = {"channels": direction.channels} if isinstance(direction, StyleDirection) else {}
    return {
        "name": direction.name,
        "space": direction.space,
        "shape": list(direction.vector.shape),
        "layers": list(direction.layers),
        **moved,
        "norm": direction.norm,
        "unit": direction.unit,
        "sigma": direction.sigma,
        "generator": direction.generator,
        "provenance": direction.provenance,
    }
