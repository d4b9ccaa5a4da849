"""Time the operators, convolutions, whole generators, sweeps and training, in turns with what they replace."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from gpu_checks import stylegan2, stylegan3, styles_of
from gpu_measure import LAYOUTS, Bench, Job, plain_torch, spread
from torch import Tensor

from latentedit.networks.cuda_inference import PackedSynthesis
from latentedit.networks.cuda_synthesis import CudaSynthesis
from latentedit.training.gan import Settings, Training
from latentedit.training.generator import small_config
from stylegan_ops import modulated_conv2d, setup_filter
from stylegan_ops.bias_act import bias_act_compiled, bias_act_reference
from stylegan_ops.modulated_conv2d import demodulation
from stylegan_ops.style_epilogue import style_epilogue_compiled, style_epilogue_reference
from stylegan_ops.upfirdn2d import upfirdn2d_compiled, upfirdn2d_reference

BLOCKS = [(512, 64), (256, 128), (128, 256), (64, 512), (32, 1024)]  # widths and sides of a 1024 px generator
DTYPES = [torch.float16, torch.float32]


def time_copies(bench: Bench) -> None:
    """Measure the bandwidth of a copy, read and write together, which bounds what any kernel can reach."""
    for mebibytes in bench.size([32, 256, 2048], [1]):
        x = torch.empty(mebibytes * 2**20, dtype=torch.uint8, device=bench.device)
        y, repeats = torch.empty_like(x), bench.size(10, 1)
        (times,) = bench.interleave({"copy": bench.queue(partial(y.copy_, x), repeats)}).values()
        rate = {key: 2 * x.nbytes / value / 1e6 for key, value in spread(times, repeats).items()}
        bench.row("copies", f"{mebibytes} MiB", gb_per_s=rate["median"], low=rate["high"], high=rate["low"])


def time_operators(bench: Bench) -> None:
    """Time the operators at the sizes of a 1024 px generator, in turns with a copy of as many bytes."""
    for batch, (channels, side), dtype, layout in itertools.product(
        bench.size([8, 32], [2]), bench.size(BLOCKS, [(4, 8)]), DTYPES, LAYOUTS
    ):
        shape = (batch, channels, side, side)
        x = torch.randn(shape, device=bench.device, dtype=dtype).contiguous(memory_format=LAYOUTS[layout])
        for name, compiled, plain in operators_on(bench, x):
            label = f"{name} {list(shape)} {dtype} {layout}"
            try:
                time_operator(bench, label, x, compiled, plain if batch < 32 else None)
            except torch.OutOfMemoryError:
                bench.row("times", label, skipped="out of memory")
        bench.free()


def operators_on(bench: Bench, x: Tensor) -> list[tuple[str, Job, Job]]:
    """List the operators with all their arguments: name, kernel, plain torch."""
    ops, f = bench.ops(), setup_filter().to(bench.device)
    n, c, h, w = x.shape
    b, scale = torch.randn(c, device=bench.device), torch.rand(n, c, device=bench.device)
    noise = torch.randn(h, w, device=bench.device)
    settings: dict[str, dict[str, Any]] = {
        "up 1": {"padding": (2, 1, 2, 1)},
        "up 2": {"up": 2, "padding": (2, 1, 2, 1), "gain": 4.0},
        "down 2": {"down": 2, "padding": (1, 1, 1, 1)},
    }
    found: list[tuple[str, Job, Job]] = [
        (
            "bias_act lrelu",
            partial(bias_act_compiled, ops, x, b, "lrelu", clamp=256.0),
            partial(bias_act_reference, x, b, "lrelu", clamp=256.0),
        ),
        (
            "style_epilogue",
            partial(style_epilogue_compiled, ops, x, scale, b, noise, next_styles=scale, keep=False),
            partial(style_epilogue_reference, x, scale, b, noise, next_styles=scale, keep=False),
        ),
        (
            "style_epilogue filtered",
            partial(style_epilogue_compiled, ops, x, scale, b, noise, f, (2, 1, 2, 1)),
            partial(style_epilogue_reference, x, scale, b, noise, f, (2, 1, 2, 1)),
        ),
    ]
    for name, options in settings.items():
        kernel, plain = partial(upfirdn2d_compiled, ops, x, f, **options), partial(upfirdn2d_reference, x, f, **options)
        found.append((f"upfirdn2d {name}", kernel, plain))
    return found


@torch.no_grad()
def time_operator(bench: Bench, label: str, x: Tensor, compiled: Job, plain: Job | None) -> None:
    """Time a kernel: GB/s, and its share of the copy's; against plain torch where that is asked for."""
    outputs = compiled()
    outputs = [y for y in outputs if y is not None] if isinstance(outputs, tuple) else [outputs]
    essential = x.nbytes + sum(y.nbytes for y in outputs)
    source = torch.empty(essential // 2, dtype=torch.uint8, device=bench.device)
    target, repeats = torch.empty_like(source), bench.size(10, 1)
    del outputs
    jobs = {"kernel": bench.queue(compiled, repeats), "copy": bench.queue(partial(target.copy_, source), repeats)}
    if plain is not None:
        jobs["plain"] = bench.queue(plain, 1)
    times = bench.interleave(jobs, rounds=7)
    kernel, copy = spread(times["kernel"], repeats), spread(times["copy"], repeats)
    shares = spread([c / k for k, c in zip(times["kernel"], times["copy"], strict=True)])
    facts = {"ms": kernel["median"], "gb_per_s": essential / kernel["median"] / 1e6, "copy_ms": copy["median"]}
    facts |= {"share_of_copy": shares["median"], "share_low": shares["low"], "share_high": shares["high"]}
    if plain is not None:
        facts["times_plain"] = spread(times["plain"])["median"] / kernel["median"]
    bench.row("times", label, **facts)


@torch.no_grad()
def time_convolutions(bench: Bench) -> None:
    """Time ways to convolve every sample with weights of its own: shared and scaled, grouped, one by one."""
    for (channels, side), dtype, layout in itertools.product(bench.size(BLOCKS, [(4, 8)]), DTYPES, LAYOUTS):
        batch = bench.size(8, 2)
        x = torch.randn(batch, channels, side, side, device=bench.device, dtype=dtype)
        x = x.contiguous(memory_format=LAYOUTS[layout])
        weight = torch.randn(channels, channels, 3, 3, device=bench.device) / (3 * channels**0.5)
        styles = torch.rand(batch, channels, device=bench.device)
        own = weight[None] * styles[:, None, :, None, None] * demodulation(weight, styles)[:, :, None, None, None]
        own = own.to(dtype)
        jobs: dict[str, Job] = {
            "shared": partial(modulated_conv2d, x, weight, styles),
            "convolution alone": partial(F.conv2d, x, weight.to(dtype, memory_format=LAYOUTS[layout]), padding=1),
            "grouped": partial(convolve_grouped, x, own),
            "one by one": lambda x=x, own=own: [F.conv2d(x[i : i + 1], own[i], padding=1) for i in range(len(x))],
        }
        times = bench.interleave(jobs, rounds=7)
        label = f"{list(x.shape)} {dtype} {layout}"
        for name, values in times.items():
            bench.row("convolutions", f"{name} {label}", **{f"ms_{k}": v for k, v in spread(values).items()})
        bench.free()


def convolve_grouped(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve each sample with its own weights as a group: [N, I, H, W], [N, O, I, 3, 3] -> [N, O, H, W]."""
    n, _, h, w = x.shape
    return F.conv2d(x.reshape(1, -1, h, w), weight.flatten(0, 1), padding=1, groups=n).reshape(n, -1, h, w)


@torch.no_grad()
def time_synthesis(bench: Bench) -> None:
    """Time whole generators, images a second by every path."""
    for resolution, batch in itertools.product(bench.size([256, 1024], [16]), bench.size([1, 8, 32], [1])):
        generator = stylegan2(bench, resolution)
        synthesis, styles = generator.synthesis, styles_of(bench, generator, batch)
        jobs: dict[str, Job] = {
            "reference float32": partial(render_plainly, generator, styles),
            "kernels float32": partial(synthesis.render_styles, styles),
        }
        for dtype in [torch.float32, torch.float16, torch.bfloat16]:
            jobs[f"packed {dtype}"] = partial(PackedSynthesis(synthesis, dtype), styles)
        jobs["graph float16"] = bench.queue(partial(PackedSynthesis(synthesis), styles), 1)
        report_rates(bench, "synthesis", f"StyleGAN2 {resolution} px batch {batch}", jobs, batch)
        bench.free()
    for radial in [False, True]:
        generator, batch = stylegan3(bench, radial), bench.size(8, 1)
        styles = styles_of(bench, generator, batch)
        render = partial(generator.synthesis.render_styles, styles)
        jobs = {"reference float32": partial(render_plainly, generator, styles), "kernels float32": render}
        jobs["graph float32"] = bench.queue(render, 1)
        report_rates(bench, "synthesis", f"StyleGAN3-{'R' if radial else 'T'} 256 px batch {batch}", jobs, batch)
        bench.free()


def render_plainly(generator: Any, styles: Tensor) -> Tensor:
    with plain_torch():
        return generator.synthesis.render_styles(styles)


def report_rates(bench: Bench, section: str, label: str, jobs: dict[str, Job], num_images: int) -> None:
    for name, times in bench.interleave(jobs, rounds=7).items():
        rate = spread([1e3 * num_images / ms for ms in times])
        bench.row(section, f"{label} {name}", images_per_s=rate["median"], low=rate["low"], high=rate["high"])


@torch.no_grad()
def time_sweeps(bench: Bench) -> None:
    """Time nine alphas of one face, one by one and together, with and without graphs."""
    for resolution in bench.size([256, 1024], [16]):
        generator = stylegan2(bench, resolution)
        alphas = styles_of(bench, generator, 9)
        capture = {} if bench.device.type == "cuda" else {"capture": lambda compute, device: compute}
        eager, graph = CudaSynthesis(generator.synthesis), CudaSynthesis(generator.synthesis, **capture)
        eager.graphs.patience = 10**9
        jobs: dict[str, Job] = {}
        for name, render in [("eager", eager.render_styles), ("graph", graph.render_styles)]:
            jobs[f"{name} one by one"] = lambda render=render, rows=alphas: [render(row[None]) for row in rows]
            jobs[f"{name} together"] = partial(render, alphas)
        report_rates(bench, "sweeps", f"{resolution} px, nine alphas,", jobs, len(alphas))
        bench.free()


def time_training(bench: Bench) -> None:
    """Time a step of the small generator's training, with the kernels and without."""
    for precision in ["bf16", "fp32"]:
        config = bench.size(small_config(), small_config(8, 32, 4))
        settings = Settings(batch=bench.size(16, 4), precision=precision)
        images = torch.randint(0, 256, (64, 3, config.img_resolution, config.img_resolution), dtype=torch.uint8)
        training = Training(config, settings, bench.device)

        def step(training: Training = training, images: Tensor = images) -> None:
            training.step(images)

        def step_plainly(step: Job = step) -> None:
            with plain_torch():
                step()

        times = bench.interleave({"kernels": step, "plain torch": step_plainly}, rounds=17)
        for name, values in times.items():
            bench.row("training", f"{precision} {name}", **{f"ms_{k}": v for k, v in spread(values).items()})
