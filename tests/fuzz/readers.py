"""Every reader of files in latentedit, as a function of one path that returns what a terminal would show."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from seeds import CONFIG, STATE_CONFIG, STATE_SETTINGS, make_generator

from latentedit.addresses import load_directions
from latentedit.checkpoints import load_generator_file
from latentedit.cli.description import describe
from latentedit.cli.printing import fact_lines
from latentedit.downloads.registry import read_registry
from latentedit.errors import printable
from latentedit.formats import read_channels, read_entries
from latentedit.latents import load_latents
from latentedit.library import read_direction, read_index
from latentedit.networks import Generator
from latentedit.photographs import load_square
from latentedit.predictors import OmiAssessor
from latentedit.training.generator import resume


@cache
def generator() -> Generator:
    """The generator that directions and latents are read for."""
    return make_generator(CONFIG)


def read_checkpoint(path: Path) -> list[str]:
    checkpoint = load_generator_file(path)
    return [checkpoint.format, *checkpoint.notes]


def read_directions(path: Path) -> list[str]:
    entries = read_entries(path)
    for entry in entries:
        list(entry.oddities())
    return [direction.name for direction in load_directions(f"{path}", generator())] if len(entries) < 9 else []


def read_latents(path: Path) -> list[str]:
    load_latents(path, generator())
    return []


def read_record(path: Path) -> list[str]:
    return [read_direction(path).name]


def read_assessor(path: Path) -> list[str]:
    assessor = OmiAssessor.load(path)
    with torch.no_grad():
        assessor(torch.zeros(1, 3, 32, 32))
    return []


def read_items(path: Path) -> list[str]:
    return [item.name for item in read_registry(path)]


def read_state(path: Path) -> list[str]:
    resume(path, STATE_CONFIG, STATE_SETTINGS, torch.device("cpu"))
    return []


def read_photograph(path: Path) -> list[str]:
    load_square(path, 8)
    return []


def inspect(path: Path) -> list[str]:
    facts = describe(str(path))
    json.dumps(facts)
    return [printable(line) for line in fact_lines(facts)]


# A reader, and the kinds of seeds that it reads; the quickest first.
READERS: dict[str, tuple[Callable[[Path], list[str]], tuple[str, ...]]] = {
    "index": (lambda path: [read_index(path)], ("records",)),
    "registry": (read_items, ("records",)),
    "channels": (lambda path: [read_channels(path)], ("arrays",)),
    "record": (read_record, ("records",)),
    "photograph": (read_photograph, ("images",)),
    "assessor": (read_assessor, ("records",)),
    "latents": (read_latents, ("arrays",)),
    "directions": (read_directions, ("arrays",)),
    "state": (read_state, ("records",)),
    "checkpoint": (read_checkpoint, ("checkpoints",)),
    "inspect": (inspect, ("arrays", "checkpoints", "records")),
}
