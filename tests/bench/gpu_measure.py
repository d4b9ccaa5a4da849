"""Where the benchmark runs, how it times, and the rows it leaves."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentedit.networks.cuda_graphs import capture_cuda_graph
from stylegan_ops import build

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
Job = Callable[[], Any]


@dataclass(frozen=True)
class Bench:
    """A device, whether everything is to be tiny, and the file that takes a line of JSON a row."""

    device: torch.device
    tiny: bool
    out: Path

    def row(self, section: str, name: str, **facts: Any) -> None:
        """Keep a row, printed and written at once: a later crash does not lose it."""
        row = {"section": section, "name": name, **facts}
        with self.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print("  ".join([section, name, *(f"{key} {format_fact(value)}" for key, value in facts.items())]), flush=True)

    def check(self, section: str, name: str, error: float, allowed: float) -> None:
        self.row(section, name, error=error, allowed=allowed, ok=error <= allowed)  # NaN is not

    def size(self, full: Any, tiny: Any) -> Any:
        return tiny if self.tiny else full

    def draw(self, *shape: int, seed: int = 0) -> Tensor:
        """Draw normal values that every floating-point type can hold, in float64."""
        values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        return values.bfloat16().double().to(self.device)

    def ops(self) -> Any:
        """The compiled operators; a section that needs them fails without."""
        ops = build.load_cuda_ops()
        if ops is None:
            raise RuntimeError("the operators did not build")
        return ops

    def free(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def machine(self) -> dict[str, Any]:
        """Name the machine and the versions."""
        facts = {"python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda}
        if self.device.type == "cuda":
            properties = torch.cuda.get_device_properties(self.device)
            facts |= {"gpu": properties.name, "capability": f"{properties.major}.{properties.minor}"}
            facts |= {"memory_gib": round(properties.total_memory / 2**30, 1), "cudnn": torch.backends.cudnn.version()}
        return facts

    def queue(self, job: Job, repeats: int) -> Job:
        """Repeat a job without Python's share where it can be recorded, in a loop elsewhere."""

        def loop() -> Any:
            for _ in range(repeats):
                result = job()
            return result

        return capture_cuda_graph(loop, self.device) if self.device.type == "cuda" else loop

    def milliseconds(self, job: Job) -> float:
        if self.device.type != "cuda":
            start = time.perf_counter()
            job()
            return 1e3 * (time.perf_counter() - start)
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        job()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)

    def interleave(self, jobs: dict[str, Job], rounds: int = 9) -> dict[str, list[float]]:
        """Time jobs in turns, after a warm-up: -> milliseconds of every round."""
        for job in jobs.values():
            for _ in range(2):
                self.milliseconds(job)
        times: dict[str, list[float]] = {name: [] for name in jobs}
        for _ in range(self.size(rounds, 2)):
            for name, job in jobs.items():
                times[name].append(self.milliseconds(job))
        return times


def spread(times: list[float], per: float = 1.0) -> dict[str, float]:
    """Summarise times: -> the median and the quartiles, each divided by `per`."""
    low, middle, high = (value / per for value in statistics.quantiles(times, n=4))
    return {"median": middle, "low": low, "high": high}


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Compute the relative L2 error, in float64; NaN where anything is."""
    difference = (actual.double() - expected.double()).norm()
    return float(difference / expected.double().norm().clamp(min=1e-30))


@contextmanager
def plain_torch() -> Iterator[None]:
    """Let the operators run without their kernels."""
    before = list(build._ops)
    build._ops[:] = [None]
    try:
        yield
    finally:
        build._ops[:] = before


def format_fact(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
