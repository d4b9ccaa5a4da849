"""manifest.json: what a population is, so that a folder is gone on with only by the run that began it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor, arange, cat

from latentedit.errors import InputError, about, damaged
from latentedit.files import read_small, replacing
from latentedit.ranges import LARGEST_SEED, format_ranges

NAME = "manifest.json"
KIND = "population"
ARRAYS = {"w": "<f4", "scores": "<f4", "images": "|u1"}  # little-endian, so that hosts agree
MOST_SHARDS = 10**6


@dataclass(frozen=True)
class Manifest:
    """Everything that a face's bits depend on, and how the faces lie in files."""

    generator: str  # fingerprint
    seeds: str  # such as 0-99999, in the order of the rows
    num: int
    truncation_psi: float
    truncation_cutoff: int | None
    class_index: int | None
    noise_mode: str
    precision: str
    device: str  # cpu, cuda or mps, whose bits differ
    batch: int  # faces rendered and scored together
    scorers: dict[str, str | None]  # name: fingerprint of its weights, where it has any
    attributes: tuple[str, ...]  # the columns of `scores`
    shard_size: int
    arrays: dict[str, tuple[int, ...]]  # those of ARRAYS that are kept: the shape of a row
    made: dict[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.num <= self.shard_size * MOST_SHARDS:
            raise InputError(f"{self.num} faces in shards of {self.shard_size}: give at least 1 and fewer shards")

    def read_seeds(self) -> Tensor:
        """List the seeds: -> int64 [N]."""
        with damaged("its seeds are no ranges: the manifest was changed, sample anew"):
            runs = [tuple(map(int, run.split("-"))) for run in self.seeds.split(",")]
        if sum(run[-1] - run[0] + 1 for run in runs) != self.num:
            raise InputError(f"its seeds are not {self.num}: the manifest was changed, sample anew")
        return cat([arange(run[0], run[-1] + 1) for run in runs])


def describe_seeds(seeds: Sequence[int]) -> str:
    """Write seeds as ranges, and raise InputError if a seed is none or comes twice."""
    if not seeds or min(seeds) < 0 or max(seeds) > LARGEST_SEED:
        raise InputError(f"seeds {list(seeds[:3])}: give at least one, each from 0 to {LARGEST_SEED}")
    if not isinstance(seeds, range) and len(set(seeds)) < len(seeds):
        raise InputError(f"seeds {list(seeds[:3])}...: one comes twice, give each once")
    return format_ranges(seeds)


def describe_making() -> dict[str, str]:
    """Say when and with which versions a population is begun."""
    versions = {name: version(name) for name in ("latentedit", "torch", "numpy")}
    return {"date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), **versions}


def claim(folder: Path, wanted: Manifest) -> Manifest:
    """Make a folder this population's, or raise InputError where it is another's: -> the manifest that lies in it."""
    path = folder / NAME
    with about(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if any(folder.glob("*.npy")):
                raise InputError(f"holds arrays but no {NAME} that says of what: name another folder")
            _write(path, wanted)
        held = read_manifest(folder)
        if differing := compare(held, wanted):
            raise InputError(f"holds another population, {differing}: name another folder, or ask for the same again")
        return held


def _write(path: Path, manifest: Manifest) -> None:
    text = json.dumps({"kind": KIND, **asdict(manifest)}, indent=2, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n")


def compare(held: Manifest, wanted: Manifest) -> str:
    """Name the first setting that differs: -> such as `truncation_psi 0.7 instead of 0.5`, or nothing."""
    for name in (setting.name for setting in fields(Manifest) if setting.compare):
        one, other = getattr(held, name), getattr(wanted, name)
        if one != other:
            return f"{name} {_shorten(one)} instead of {_shorten(other)}"
    return ""


def _shorten(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def read_manifest(folder: Path) -> Manifest:
    """Read and check what `claim` wrote."""
    path = folder / NAME
    if folder.is_dir() and not path.exists():
        raise InputError(f"{folder} holds no {NAME}: no population that latentedit sample wrote")
    with about(path), damaged("damaged: sample into another folder"):
        values = json.loads(read_small(path))
        if values.pop("kind") != KIND:
            raise InputError("another kind of file: no population that latentedit sample wrote")
        return _build(values)


def _build(values: dict[str, Any]) -> Manifest:
    """Make a manifest of JSON's values."""
    arrays = {name: tuple(map(int, row)) for name, row in values["arrays"].items()}
    if not {"w"} <= arrays.keys() <= ARRAYS.keys():
        raise ValueError("other arrays")
    return Manifest(**{**values, "arrays": arrays, "attributes": tuple(map(str, values["attributes"]))})
