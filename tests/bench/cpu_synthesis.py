"""Time StyleGAN2's rendering on the CPU, as a share of the rate of oneDNN's 3 x 3 convolution in the same run.

    python tests/bench/cpu_synthesis.py                    # both sizes, in stock and tuned memory allocation
    python tests/bench/cpu_synthesis.py --size 256 --out cpu.json
    python tests/bench/cpu_synthesis.py --layers           # each layer by itself, by every algorithm

Random weights in the configurations of FFHQ. Every round times each path once, in turn, on a face
that it has not just made; numbers are medians over the rounds, with the middle half's spread. The
work is counted as that of the convolutions alone, made directly, with nothing kept between faces.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.networks import Generator, GeneratorConfig, block_channels
from latentedit.networks.frozen import FrozenSynthesis
from stylegan_ops import build
from stylegan_ops.compiled_layers import CompiledConvolution, CompiledLayers
from stylegan_ops.plain_layers import PlainConvolution

BASES = {256: 16384, 1024: 32768}  # channel_base of FFHQ's configurations
ALPHAS, FIRST_LAYER = 9, 8  # of the sweep
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**33), "MALLOC_TOP_PAD_": str(2**26)}
Run = Callable[[], object]


def make_generator(resolution: int, channel_base: int, channel_max: int = 512) -> Generator:
    """Make a generator of random weights whose noise counts."""
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(resolution, block_channels(resolution, channel_base, channel_max)))
    for name, tensor in generator.named_parameters():
        if name.endswith("noise_strength"):
            torch.nn.init.constant_(tensor, 0.1)
    return generator.eval().requires_grad_(False)


def count_work(config: GeneratorConfig) -> float:
    """Count the multiplications and additions of an image's 3 x 3 convolutions: -> 10^9."""
    sizes = list(zip(config.resolutions, config.channels, strict=True))
    level = sum(18 * side**2 * width**2 for side, width in sizes)
    up = sum(18 * side**2 * below * width for (side, below), (_, width) in itertools.pairwise(sizes))
    return (level + up) / 1e9


def interleave(runs: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    """Warm every run up, then time each once a round: -> seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def convolve_with_onednn() -> tuple[Run, float]:
    """Make the run that the others are held against: a 3 x 3 convolution in fp32, and its work in 10^9."""
    x = torch.randn(1, 256, 64, 64).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(256, 256, 3, 3).contiguous(memory_format=torch.channels_last)
    return lambda: F.conv2d(x, weight, padding=1), 18 * 64**2 * 256**2 / 1e9


class Faces:
    """Renders ever new faces, or new sweeps that share their lower rows of ws, by one path."""

    def __init__(self, generator: Generator, frozen: FrozenSynthesis | None) -> None:
        self.generator, self.frozen = generator, frozen
        side, colours = generator.config.img_resolution, generator.config.img_channels
        self.out = torch.empty(colours, side, side)
        self.random = torch.Generator().manual_seed(1)

    def draw(self, count: int = 1) -> Tensor:
        w = torch.randn(count, 1, self.generator.config.w_dim, generator=self.random)
        return w.repeat(1, self.generator.config.num_ws, 1)

    def render(self, ws: Tensor) -> None:
        if self.frozen is None:
            self.generator.synthesis(ws[None])
        else:
            self.frozen.render(ws, "const", self.out)

    def one(self) -> None:
        self.render(self.draw()[0])

    def sweep(self) -> None:
        start, end = self.draw(2)
        for alpha in torch.linspace(0, 1, ALPHAS):
            ws = start.clone()
            ws[FIRST_LAYER:] = start[FIRST_LAYER:].lerp(end[FIRST_LAYER:], alpha)
            self.render(ws)


def make_paths(generator: Generator, with_reference: bool = True) -> dict[str, Faces]:
    """Make every path that this machine has: compiled or plain, fp32 or bf16, and the reference."""
    ops = build.load_cpu_ops()
    paths = {"plain fp32": Faces(generator, FrozenSynthesis(generator.synthesis, torch.float32, None))}
    if ops:
        paths["compiled fp32"] = Faces(generator, FrozenSynthesis(generator.synthesis, torch.float32, ops))
        if CompiledLayers.supports(ops, torch.bfloat16):
            paths["compiled bf16"] = Faces(generator, FrozenSynthesis(generator.synthesis, torch.bfloat16, ops))
    return paths | ({"reference": Faces(generator, None)} if with_reference else {})


@torch.no_grad()
def time_generator(resolution: int, rounds: int, with_reference: bool = True) -> list[dict[str, Any]]:
    """Time one size: -> a row a path and job, with milliseconds an image and the share of oneDNN's rate."""
    generator = make_generator(resolution, BASES[resolution])
    work = count_work(generator.config)
    convolve, its_work = convolve_with_onednn()
    paths = make_paths(generator, with_reference)
    runs: dict[str, Run] = {"oneDNN": lambda: [convolve() for _ in range(5)]}
    runs |= {f"{name}, one image": faces.one for name, faces in paths.items()}
    runs |= {f"{name}, sweep": faces.sweep for name, faces in paths.items() if name.startswith("compiled")}
    seconds = interleave(runs, rounds)
    rate = 5 * its_work / statistics.median(seconds.pop("oneDNN"))
    return [{"size": resolution, "onednn": rate} | describe(name, times, work, rate) for name, times in seconds.items()]


def describe(name: str, seconds: list[float], work: float, rate: float) -> dict[str, Any]:
    """Describe one run's times: work in 10^9 an image, rate in 10^9 a second."""
    images = ALPHAS if name.endswith("sweep") else 1
    lower, median, upper = (1000 * s / images for s in statistics.quantiles(seconds, n=4, method="inclusive"))
    return {"job": name, "ms": median, "spread": [lower, upper], "share": work / (median / 1000) / rate}


def measure_memory(resolution: int = 1024, count: int = 8) -> dict[str, Any]:
    """Render images in this process: -> bytes of the packed weights, and by how much the peak grew beside them."""
    from latentedit import render
    from latentedit.networks.frozen import freeze

    generator = make_generator(resolution, BASES[resolution])
    ws = generator.map(torch.randn(count, 512, generator=torch.Generator().manual_seed(0)))
    before = peak()
    frozen = freeze(generator.synthesis)
    assert frozen is not None
    packed = sum(tensor.numel() * tensor.element_size() for tensor in list_weights(frozen))
    render(generator, ws)
    return {"size": resolution, "images": count, "packed weights": packed, "beside them": peak() - before - packed}


def list_weights(frozen: FrozenSynthesis) -> Iterable[Tensor]:
    """List what a frozen network holds of the weights."""
    yield from (weight for weight, _ in frozen.affines)
    for convolution in (layer for block in frozen.blocks for layer in block.convolutions.values()):
        yield convolution.power
        run = convolution.run
        if isinstance(run, CompiledConvolution):
            yield run.tensors["weight"]
        if isinstance(run, PlainConvolution):
            yield from (run.weight, run.low_pass)


def peak() -> int:
    """Read the largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def describe_machine() -> dict[str, Any]:
    """Say what the numbers were measured on."""
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(":")[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name")), "?")
    return {
        "processor": model,
        "threads": torch.get_num_threads(),
        "variant": build.choose_variant(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }


@torch.no_grad()
def time_layers(rounds: int) -> list[dict[str, Any]]:
    """Time 3 x 3 layers of a 1024 generator by every algorithm: -> a row a layer, in 10^9 a second."""
    ops = build.compile_cpu_ops()
    rows = []
    for up in (1, 2):
        for side, width in zip((8, 16, 32, 64, 128, 256), (512, 512, 512, 256, 128, 64), strict=True):
            outputs = width if up == 1 or side < 32 else width // 2
            layers = CompiledLayers(ops, torch.float32)
            sizes = (side, width), (up * side, outputs)
            x, y = (layers.make_map(*size, torch.zeros(layers.measure_map(*size))) for size in sizes)
            runs: dict[str, Run] = {}
            for name in ("direct", "winograd") if up == 1 else ("direct_upsample", "upsample"):
                weight = torch.randn(outputs, width, 3, 3)
                run = CompiledConvolution(ops, weight, torch.zeros(outputs), x, y, [0.25] * 4, math.inf, name)
                layers.convolutions.append(run)
                runs[name] = lambda run=run, width=width, outputs=outputs: run(
                    torch.ones(width), torch.ones(outputs), None
                )
            layers.plan()
            work = 18 * side**2 * width * outputs / 1e9
            times = {name: statistics.median(s) for name, s in interleave(runs, rounds).items()}
            rows.append({"side": side, "inputs": width, "outputs": outputs, **{n: work / t for n, t in times.items()}})
    return rows


def format_rows(rows: list[dict[str, Any]]) -> str:
    """Write rows as a Markdown table."""
    lines = ["| size | job | ms an image | middle half | share of oneDNN's rate |", "|---|---|---|---|---|"]
    for row in rows:
        low, high = row["spread"]
        lines.append(
            f"| {row['size']} | {row['job']} | {row['ms']:.1f} | {low:.1f} - {high:.1f} | {100 * row['share']:.0f} % |"
        )
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, choices=BASES, help="default: both")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-reference", action="store_true", help="leave the network's own forward out")
    parser.add_argument("--regime", choices=["stock", "tuned", "both"], default="both", help="of memory allocation")
    parser.add_argument("--layers", action="store_true", help="time single layers instead")
    parser.add_argument("--memory", action="store_true", help="measure memory instead")
    parser.add_argument("--out", type=Path, help="also write the numbers as JSON")
    return parser.parse_args()


def run_regime(regime: str, arguments: list[str]) -> None:
    """Run this script again under one regime of memory allocation: glibc reads it when a process starts."""
    environment = os.environ | (TUNED if regime == "tuned" else {})
    print(f"\n{regime} memory allocation\n", flush=True)
    subprocess.run([sys.executable, __file__, *arguments, "--regime", regime], env=environment, check=True)


def main() -> None:
    """Measure what the command line asks for, print it, and write it as JSON."""
    args = parse_arguments()
    if args.layers or args.memory:
        print(json.dumps(time_layers(args.rounds) if args.layers else measure_memory(), indent=1))
        return
    if args.regime == "both":
        for regime in ("stock", "tuned"):
            out = ["--out", str(args.out.with_suffix(f".{regime}.json"))] if args.out else []
            run_regime(regime, [*(a for a in sys.argv[1:] if a not in ("--out", str(args.out))), *out])
        return
    machine = describe_machine()
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    rows: list[dict[str, Any]] = []
    for size in [args.size] if args.size else BASES:
        rows += time_generator(size, args.rounds, not args.no_reference)
        print(f"oneDNN's 3 x 3 convolution: {rows[-1]['onednn']:.0f} GFLOP/s")
    print(format_rows(rows))
    if args.out:
        args.out.write_text(json.dumps({"machine": machine, "regime": args.regime, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
