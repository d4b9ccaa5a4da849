"""A whole benchmark: scenes by paths in either regime of the allocator, and start-up."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from latentedit.benchmark.memory import measure_peak, tune_allocator
from latentedit.benchmark.peer import load_peer
from latentedit.benchmark.scenes import RENDERERS, SCENES, Renderer, Scene, count_flops, make_generator, make_yardstick
from latentedit.benchmark.timing import describe_spread, time_in_turns
from latentedit.checkpoints.checkpoint import require_stylegan2
from latentedit.errors import InputError
from latentedit.machine import describe_machine
from latentedit.networks import Generator

DIFFERENT = 8  # sets of faces, which take turns
MEMORY = ("256", "1024", "1024-batch")  # scenes
COMMANDS = {"latentedit --help": ["--help"], "latentedit apply": ["apply", "--direction", "w_sq", "--alpha", "3"]}


@dataclass(frozen=True)
class Settings:
    """What to measure, how often, and NVIDIA's checkout if it shall run beside."""

    scenes: tuple[str, ...]
    rounds: int = 15
    limit: float = 20.0  # seconds after which a scene begins no further round
    memory: bool = True
    startup: bool = True
    regimes: tuple[str, ...] = ("stock", "tuned")
    nvidia: Path | None = None
    quiet: bool = True


def run_benchmark(settings: Settings) -> dict[str, Any]:
    """Measure each regime in a process of its own, memory, start-up: -> machine, settings and results, fit for JSON."""
    regimes = {regime: _run_apart(partial(measure_regime, settings, regime)) for regime in settings.regimes}
    return {
        "machine": describe_machine(),
        "settings": {**asdict(settings), "nvidia": str(settings.nvidia) if settings.nvidia else None},
        "regimes": regimes,
        "peak_bytes": measure_memory(settings) if settings.memory else None,
        "startup": measure_startup(settings) if settings.startup else None,
    }


def _run_apart(measure: Callable[[], Any]) -> Any:
    """Call a function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        try:
            return processes.submit(measure).result()
        except BrokenProcessPool as error:
            raise InputError("the process that measures was ended, likely for want of memory: try --quick") from error


@torch.no_grad()
def measure_regime(settings: Settings, regime: str) -> list[dict[str, Any]] | None:
    """Measure every scene on every path under one regime of the allocator; None where it is not available."""
    if regime == "tuned" and not tune_allocator():
        return None
    chosen = [scene for scene in SCENES if scene.name in settings.scenes]
    bar = tqdm(chosen, desc=f"{regime} allocator", disable=settings.quiet)
    return [row for scene in bar for row in measure_scene(scene, settings)]


def measure_scene(scene: Scene, settings: Settings) -> list[dict[str, Any]]:
    """Time one scene on every path beside the yardstick: -> a row for each path."""
    generator, paths = _prepare(scene, settings.nvidia)
    convolve, yardstick_flops = make_yardstick()
    seconds = time_in_turns({"yardstick": convolve, **paths}, settings.rounds, settings.limit)
    spreads = {name: describe_spread(times) for name, times in seconds.items()}
    rate = yardstick_flops / spreads.pop("yardstick")["median"]
    flops = count_flops(require_stylegan2(generator.config)) * scene.num_images
    return [
        {
            "scene": scene.name,
            "path": name,
            "images": scene.num_images,
            "seconds": spread,
            "images_per_second": scene.num_images / spread["median"],
            "gflops": flops / spread["median"] / 1e9,
            "yardstick_gflops": rate / 1e9,
            "share": flops / spread["median"] / rate,
            "speedup": spreads["reference"]["median"] / spread["median"],
        }
        for name, spread in spreads.items()
    ]


def _prepare(scene: Scene, nvidia: Path | None) -> tuple[Generator, dict[str, Callable[[], object]]]:
    """Make a scene's generator, and the call of each path that renders it."""
    generator = make_generator(scene.resolution)
    renderers = dict(RENDERERS)
    if nvidia is not None:
        renderers["nvidia"] = load_peer(nvidia, generator)
    return generator, {name: _render_on(scene, generator, render) for name, render in renderers.items()}


def _render_on(scene: Scene, generator: Generator, render: Renderer) -> Callable[[], object]:
    """Make a call that renders faces of its scene that it has not seen before: no path may keep an image."""
    latents = [scene.make_ws(generator, number) for number in range(DIFFERENT)]
    each = itertools.cycle(latents)
    return lambda: render(generator, next(each))


def measure_memory(settings: Settings) -> dict[str, dict[str, int | None]]:
    """Measure the peak of memory beside the weights, a fresh process for each: -> bytes by scene and path."""
    names = [*RENDERERS, *(["nvidia"] if settings.nvidia else [])]
    bar = tqdm([scene for scene in SCENES if scene.name in MEMORY], desc="peak memory", disable=settings.quiet)
    return {
        scene.name: {name: _run_apart(partial(_measure_peak, scene, name, settings.nvidia)) for name in names}
        for scene in bar
    }


@torch.no_grad()
def _measure_peak(scene: Scene, path: str, nvidia: Path | None) -> int | None:
    """Measure the peak of the first rendering by one path."""
    return measure_peak(_prepare(scene, nvidia)[1][path])


def measure_startup(settings: Settings) -> dict[str, Any]:
    """Time whole commands in fresh processes: -> the spread of each in seconds."""
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    with tempfile.TemporaryDirectory() as folder:
        run = partial(subprocess.run, cwd=folder, env=environment, check=True, capture_output=True)
        program = [sys.executable, "-m", "latentedit.cli.main"]
        commands = {name: partial(run, [*program, *words]) for name, words in COMMANDS.items()}
        seconds = time_in_turns(commands, settings.rounds, settings.limit)
    return {name: describe_spread(times) for name, times in seconds.items()}
