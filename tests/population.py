"""Processes that sample a tiny population, and die when they are told to."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from torch import Tensor

import latentedit as le
from latentedit.population import Population, sample_population

CONTEXT = multiprocessing.get_context("forkserver")  # which imports torch once, for all
CONTEXT.set_forkserver_preload(["latentedit.population", "latentedit.networks"])
SEEDS = [*range(100, 138), 7, 3]
SHARD_SIZE = 4


class Contrast:
    """A scorer that costs nothing, and kills its process at its `last` score."""

    name, range = "contrast", (0.0, 1.0)

    def __init__(self, last: int | None = None) -> None:
        self.last, self.count = last, 0

    def __call__(self, images: Tensor) -> Tensor:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        return images.flatten(1).std(dim=1)


class Wide:
    """An assessor of so many attributes that a face's scores are 40 kB."""

    attributes = tuple(map(str, range(10_000)))
    name, range = "wide", (0.0, 1.0)
    rated_mean = stretch = half_width = torch.zeros(0)

    def __call__(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :1].expand(-1, len(self.attributes))


def tiny() -> le.Generator:
    """Make a 16 px generator of random weights whose noise shows."""
    torch.manual_seed(0)
    generator = le.Generator(le.GeneratorConfig(16, (8, 8, 8), z_dim=12, w_dim=16, num_mapping_layers=2))
    for name, tensor in generator.named_parameters():
        if name.endswith("noise_strength"):
            torch.nn.init.constant_(tensor, 0.1)
    return generator.eval().requires_grad_(False)


def sample(folder: Path, scorer: Contrast | None = None, **settings) -> Population:
    """Sample the population that every test looks at."""
    settings = {"shard_size": SHARD_SIZE, "images": True, **settings}
    return sample_population(tiny(), folder, SEEDS, 0.5, [scorer or Contrast()], **settings)


def sample_as_told(folder: Path, last: int | None, replaces: int | None, environment: Mapping[str, str]) -> None:
    """Sample in this process, which dies at its `last` score or in place of renaming its so-manieth file."""
    torch.set_num_threads(1)
    os.environ.update(environment)
    rename, count = os.replace, 0

    def replace(*paths: Path) -> None:
        nonlocal count
        count += 1
        if count == replaces:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(*paths)

    os.replace = replace
    try:
        sample(folder, Contrast(last))
    except le.InputError as error:
        (folder / "complaint").write_text(str(error))
        sys.exit(2)


def start(
    folder: Path, last: int | None = None, replaces: int | None = None, environment: Mapping[str, str] = os.environ
) -> BaseProcess:
    """Start such a process."""
    process = CONTEXT.Process(target=sample_as_told, args=(folder, last, replaces, dict(environment)))
    process.start()
    return process


def measure_memory(folder: Path, num: int) -> None:
    """Sample faces whose scores are wide, and write the most memory that it took, in bytes."""
    torch.set_num_threads(1)
    sample_population(tiny(), folder, range(num), scorers=[Wide()], shard_size=16)
    (folder / "peak").write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


if __name__ == "__main__":  # under torchrun, where the second process dies once
    dies = os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    scorer = Contrast(10 if dies else None)
    sample(Path(sys.argv[1]), scorer)
    Path(sys.argv[1], f"count{os.environ['RANK']}").write_text(str(scorer.count))
