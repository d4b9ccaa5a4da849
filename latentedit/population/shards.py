"""A population's arrays on disk: .npy files of a fixed number of faces, each whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from latentedit.errors import InputError, about
from latentedit.files import replacing
from latentedit.population.manifest import ARRAYS, Manifest
from latentedit.population.manifest import NAME as MANIFEST

Index = int | slice | list[int] | Tensor


@dataclass(frozen=True)
class Shards:
    """The files of one population: w-00000.npy, scores-00000.npy and so on, readable by any tool."""

    folder: Path
    manifest: Manifest

    def __len__(self) -> int:
        return -(-self.manifest.num // self.manifest.shard_size)

    def places(self, shard: int) -> range:
        """Say which faces a shard holds, by their places in the list of seeds."""
        start = shard * self.manifest.shard_size
        return range(start, min(start + self.manifest.shard_size, self.manifest.num))

    def path(self, name: str, shard: int) -> Path:
        """Name the file of an array's shard."""
        return self.folder / f"{name}-{shard:05d}.npy"

    def header(self, name: str, shard: int) -> tuple[np.dtype, tuple[int, ...]]:
        """Say of what type and shape an array's shard is."""
        return np.dtype(ARRAYS[name]), (len(self.places(shard)), *self.manifest.arrays[name])

    def open(self, name: str, shard: int) -> np.memmap:
        """Map an array's shard into memory, or raise InputError where it is missing or not what it should be."""
        path, (dtype, shape) = self.path(name, shard), self.header(name, shard)
        with about(path):
            try:
                array: np.memmap = np.lib.format.open_memmap(path, mode="r")
            except ValueError as error:  # cut short, no .npy, or one of objects
                raise InputError("damaged: run latentedit sample again, which makes it anew") from error
            if (array.dtype, array.shape) != (dtype, shape) or array.offset + array.nbytes != path.stat().st_size:
                raise InputError(f"not {dtype} {list(shape)}: run latentedit sample again, which makes it anew")
            return array

    def has(self, shard: int) -> bool:
        """Tell whether all of a shard's files are there and as the manifest says."""
        try:
            return all(self.open(name, shard) is not None for name in self.manifest.arrays)
        except InputError:
            return False

    def find_missing(self) -> list[int]:
        """List the shards that are still to be made."""
        return [shard for shard in range(len(self)) if not self.has(shard)]

    def write(self, shard: int, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Write a shard's arrays as they are made, and give them their names when they are whole and on the disk."""
        try:
            with ExitStack() as stack:
                files = {name: self._create(name, shard, stack) for name in self.manifest.arrays}
                for batch in batches:
                    for name, file in files.items():
                        file.write(batch[name].cpu().numpy().tobytes())
                for file in files.values():
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            mend = "mend that and run it again, what is finished stays"
            raise InputError(f"{self.folder}: {error.strerror}: {mend}") from error

    def _create(self, name: str, shard: int, stack: ExitStack) -> BinaryIO:
        """Begin a file under a temporary name that the stack's end replaces."""
        temporary = stack.enter_context(replacing(self.path(name, shard)))
        file = stack.enter_context(temporary.open("wb"))
        dtype, shape = self.header(name, shard)
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        return file

    def sweep(self) -> None:
        """Remove what killed processes left half-written."""
        for name in ("*.npy", MANIFEST):
            for path in self.folder.glob(f".{name}.*.tmp"):
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Rows:
    """One array of a population, [N, ...], left on disk: indexed as a tensor along its first axis, it gives tensors."""

    shards: Shards
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.shards.manifest.num, *self.shards.manifest.arrays[self.name])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Index) -> Tensor:
        """Read faces by number, slice, list or mask: -> [..., *row], in memory of its own."""
        chosen, size = torch.arange(len(self))[index], self.shards.manifest.shard_size
        places = chosen.reshape(-1).numpy()
        rows = np.empty((len(places), *self.shape[1:]), ARRAYS[self.name])
        order = np.argsort(places, kind="stable")
        ends = np.flatnonzero(np.diff(places[order] // size)) + 1
        for part in np.split(order, ends) if len(order) else []:
            shard = int(places[part[0]]) // size
            rows[part] = self.shards.open(self.name, shard)[places[part] - shard * size]
        return torch.from_numpy(rows).reshape(*chosen.shape, *self.shape[1:])
