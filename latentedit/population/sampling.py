"""Seeds to latents, pictures and scores on disk, in bounded memory, by one process or many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.checkpoints import fingerprint
from latentedit.errors import InputError
from latentedit.latents import sample
from latentedit.networks import Generator, NoiseMode
from latentedit.pictures import to_pixels
from latentedit.population.loading import Population
from latentedit.population.manifest import Manifest, claim, compare, describe_making, describe_seeds
from latentedit.population.panel import Panel
from latentedit.population.processes import Processes, joined
from latentedit.population.shards import Shards
from latentedit.predictors import Assessor
from latentedit.rendering import render
from latentedit.scoring import Scorer
from latentedit.vocabulary import Precision

SHARD_SIZE = 256  # faces: at most so many are lost when a process is killed
GPU_BATCH = 32
BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}, ends {eta:%a %H:%M}]"


@dataclass(frozen=True)
class Recipe:
    """How a seed becomes rows of every array."""

    generator: Generator
    panel: Panel
    truncation_psi: float
    truncation_cutoff: int | None
    class_index: int | None
    noise_mode: NoiseMode
    precision: Precision
    images: bool

    @property
    def device(self) -> torch.device:
        return self.generator.mapping.w_avg.device

    @property
    def batch(self) -> int:
        """Faces made together: one on a CPU, where sums over more depend on the number of threads."""
        return 1 if self.device.type == "cpu" else GPU_BATCH

    @torch.no_grad()
    def make(self, seeds: Sequence[int]) -> dict[str, Tensor]:
        """Make the rows of a batch of seeds; random noise is drawn from its first."""
        ws = sample(self.generator, seeds, self.truncation_psi, self.truncation_cutoff, self.class_index)
        rows = {"w": ws[:, 0] if self.truncation_cutoff is None else ws}
        if not (self.images or self.panel.scorers):
            return rows
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seeds[0])
            images = render(self.generator, ws, self.noise_mode, self.batch, precision=self.precision)
        if self.panel.scorers:
            rows["scores"] = self.panel(images)
        if self.images:
            rows["images"] = to_bytes(images)
        return rows

    def describe(self, seeds: Sequence[int], shard_size: int) -> Manifest:
        """Write down everything that the bits depend on, after trying the first seed."""
        text, rows = describe_seeds(seeds), self.make(seeds[:1])
        return Manifest(
            generator=fingerprint(self.generator),
            seeds=text,
            num=len(seeds),
            truncation_psi=self.truncation_psi,
            truncation_cutoff=self.truncation_cutoff,
            class_index=self.class_index,
            noise_mode=self.noise_mode,
            precision=self.precision,
            device=self.device.type,
            batch=self.batch,
            scorers=self.panel.identify(),
            attributes=self.panel.attributes,
            shard_size=shard_size,
            arrays={name: tuple(row.shape[1:]) for name, row in rows.items()},
            made=describe_making(),
        )

    def make_batches(self, seeds: Sequence[int], bar: tqdm[Any]) -> Iterator[dict[str, Tensor]]:
        """Make a shard batch by batch."""
        for start in range(0, len(seeds), self.batch):
            batch = seeds[start : start + self.batch]
            yield self.make(batch)
            bar.update(len(batch))


def sample_population(
    generator: Generator,
    folder: str | Path,
    seeds: Sequence[int],
    truncation_psi: float = 1.0,
    scorers: Sequence[Scorer | Assessor] = (),
    truncation_cutoff: int | None = None,
    class_index: int | None = None,
    noise_mode: NoiseMode = "const",
    precision: Precision = "fp32",
    images: bool = False,
    shard_size: int = SHARD_SIZE,
    quiet: bool = True,
) -> Population:
    """Sample, render and score N seeds into files in `folder`, and open what is there: -> Population.

    An assessor among `scorers` gives a column for each of its attributes; `images` keeps the pictures
    too, in uint8. Shards of `shard_size` faces appear whole or not at all, and those that are there
    are not made again: after a kill, the same call goes on. Under torchrun, on any number of hosts
    that see the folder, processes share out what is missing. On a CPU a face has the same bits in any
    population, from any number of processes and threads, where processors and compilers are alike; on
    a GPU they depend on the faces of its batch, which its place among the seeds fixes. Raises
    InputError if the folder holds another population.
    """
    recipe = Recipe(
        generator, Panel(scorers), truncation_psi, truncation_cutoff, class_index, noise_mode, precision, images
    )
    if truncation_cutoff is not None and truncation_cutoff < 0:
        raise InputError(f"truncation cutoff {truncation_cutoff}: give a number of layers, 0 or more")
    wanted = recipe.describe(seeds, shard_size)
    with joined() as processes:
        begun = _begin(Path(folder), wanted) if processes.rank == 0 else None
        manifest, missing = processes.agree(begun)
        if differing := compare(wanted, manifest):
            raise InputError(f"process {processes.rank} has {differing}: start all processes alike")
        shards = Shards(Path(folder), manifest)
        _make_shards(shards, missing[processes.rank :: processes.count], recipe, seeds, _choose_title(processes), quiet)
        processes.wait()
        if processes.rank == 0:
            shards.sweep()
    return Population(shards)


def _begin(folder: Path, wanted: Manifest) -> tuple[Manifest, list[int]]:
    """Claim the folder: -> its manifest, and the shards that are still to be made."""
    manifest = claim(folder, wanted)
    return manifest, Shards(folder, manifest).find_missing()


def _make_shards(
    shards: Shards, missing: list[int], recipe: Recipe, seeds: Sequence[int], title: str, quiet: bool
) -> None:
    """Make a process's share of what is missing."""
    places = [shards.places(shard) for shard in missing]
    count = sum(map(len, places))
    settings: dict[str, Any] = {"bar_format": BAR, "smoothing": 0.05, "mininterval": 1, "delay": 1}
    with tqdm(desc=title, total=count, unit=" faces", disable=quiet or not title, **settings) as bar:
        for shard, part in zip(missing, places, strict=True):
            shards.write(shard, recipe.make_batches(seeds[part.start : part.stop], bar))


def _choose_title(processes: Processes) -> str:
    """Name the bar; only the first process shows one, of its own share."""
    if processes.count == 1:
        return "sampling"
    return "" if processes.rank else f"sampling, the first of {processes.count} shares"


def to_bytes(images: Tensor) -> Tensor:
    """Quantise images: [N, C, H, W] in [-1, 1] -> uint8 [N, H, W, 3]."""
    return torch.from_numpy(np.stack([to_pixels(image) for image in images]))
