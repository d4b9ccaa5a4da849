"""Hold every CUDA operator, and whole networks, against the references."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from gpu_measure import LAYOUTS, Bench, plain_torch, relative_error
from torch import Tensor

from latentedit.networks import Generator, GeneratorConfig, StyleGAN3Config, band_channels, block_channels
from latentedit.networks.config import Band
from latentedit.networks.cuda_graphs import capture_cuda_graph
from latentedit.networks.cuda_inference import PackedSynthesis
from latentedit.networks.cuda_synthesis import CudaSynthesis
from latentedit.networks.stylegan3 import design_filter
from stylegan_ops import (
    ACTIVATIONS,
    bias_act_reference,
    filtered_lrelu_reference,
    setup_filter,
    style_epilogue_reference,
    upfirdn2d_reference,
)
from stylegan_ops.bias_act import bias_act_compiled
from stylegan_ops.filtered_lrelu import filtered_lrelu_compiled
from stylegan_ops.style_epilogue import style_epilogue_compiled
from stylegan_ops.upfirdn2d import upfirdn2d_compiled

TOLERANCES = {  # of the largest value
    torch.float64: 1e-10,
    torch.float32: 2e-5,
    torch.float16: 4e-3,
    torch.bfloat16: 3e-2,
}
RESAMPLINGS: list[dict[str, Any]] = [
    {"up": 1, "down": 1, "padding": (1, 1, 1, 1)},
    {"up": 2, "down": 1, "padding": (2, 1, 2, 1), "gain": 4.0},
    {"up": 1, "down": 2, "padding": (1, 1, 1, 1)},
    {"up": 2, "down": 2, "padding": (-1, 3, 2, 0)},
    {"up": 3, "down": 2, "padding": (5, 4, -2, 6)},
]
BAND = Band(64, 20.0, 18.0, 84)
NONLINEARITIES: dict[str, dict[str, Any]] = {  # of StyleGAN3: most layers, those that double the size, those of R
    "up 2": {"fu": design_filter(BAND, 2, 6), "fd": design_filter(BAND, 2, 6), "up": 2, "padding": (9, 8, 9, 8)},
    "up 4": {"fu": design_filter(BAND, 4, 6), "fd": design_filter(BAND, 2, 6), "up": 4, "padding": (-6, -9, -6, -9)},
    "radial": {"fu": design_filter(BAND, 2, 6), "fd": design_filter(BAND, 2, 6, True), "up": 2, "padding": (9, 8) * 2},
}
Operator = Callable[..., Tensor]


def derivatives(bench: Bench, operator: Operator, inputs: list[Tensor]) -> list[Tensor]:
    """Return y, its first derivatives along a fixed cotangent, and the derivatives of their mean square."""
    inputs = [tensor.detach().requires_grad_() for tensor in inputs]
    y = operator(*inputs)
    cotangent = bench.draw(*y.shape, seed=9).to(y.dtype).requires_grad_()
    first = torch.autograd.grad(y, inputs, cotangent, create_graph=True)
    accurate = torch.promote_types(y.dtype, torch.float32)
    penalty = torch.stack([64 * d.square().mean(dtype=accurate) for d in first]).sum()  # 64: not denormal in half
    return [y, *first, *torch.autograd.grad(penalty, [cotangent, *inputs], materialize_grads=True)]


def largest_error(actual: list[Tensor], expected: list[Tensor]) -> float:
    """Compare with values in float64: the largest error, relative to the largest value; NaN where any is."""
    errors = [(a - e).abs().max() / e.abs().max().clamp(min=1e-3) for a, e in zip(actual, expected, strict=True)]
    return float(torch.stack(errors).max().detach())


def compare(bench: Bench, name: str, compiled: Operator, reference: Operator, inputs: list[Tensor]) -> None:
    actual = derivatives(bench, compiled, inputs)
    expected = derivatives(bench, reference, [tensor.double() for tensor in inputs])
    bench.check("operators", name, largest_error(actual, expected), TOLERANCES[inputs[0].dtype])


def images(bench: Bench, *shape: int) -> Iterator[tuple[str, Tensor]]:
    """Draw an image in every precision and layout, and as views off the grid of 16 bytes."""
    for dtype, (layout, memory_format) in itertools.product(TOLERANCES, LAYOUTS.items()):
        x = bench.draw(*shape).to(dtype, memory_format=memory_format)
        yield f"{dtype} {layout}", x
        larger = bench.draw(shape[0], shape[1] + 1, shape[2] + 1, shape[3] + 1)
        yield f"{dtype} {layout} view", larger.to(dtype, memory_format=memory_format)[:, 1:, 1:, 1:]


def check_operators(bench: Bench) -> None:
    """Check values, first and second derivatives of all operators, on sizes that no tile divides."""
    ops, f = bench.ops(), setup_filter().to(bench.device)
    small = bench.size((3, 6, 33, 17), (2, 5, 9, 7))
    for act, clamp in itertools.product(bench.size(ACTIVATIONS, ["lrelu", "swish"]), bench.size([None, 1.0], [1.0])):
        for label, x in images(bench, *small):
            compiled = partial(bias_act_compiled, ops, act=act, clamp=clamp)
            reference = partial(bias_act_reference, act=act, clamp=clamp)
            b = bench.draw(small[1], seed=1).to(x.dtype)
            compare(bench, f"bias_act {act} clamp={clamp} {label}", compiled, reference, [x, b])
    for options, taps in itertools.product(RESAMPLINGS, bench.size([(1, 3, 3, 1), (1, 2, 3)], [(1, 3, 3, 1)])):
        for label, x in images(bench, *bench.size((2, 36, 37, 21), (1, 4, 9, 7))):
            settings = options | {"f": setup_filter(taps).to(bench.device)}
            name = f"upfirdn2d up={options['up']} down={options['down']} {len(taps)} taps {label}"
            compiled, reference = partial(upfirdn2d_compiled, ops, **settings), partial(upfirdn2d_reference, **settings)
            compare(bench, name, compiled, reference, [x])
    for name in bench.size(NONLINEARITIES, ["up 2"]):
        for label, x in images(bench, *bench.size((2, 5, 67, 45), (1, 2, 23, 21))):
            compiled = nonlinearity(bench, partial(filtered_lrelu_compiled, ops), name)
            reference = nonlinearity(bench, filtered_lrelu_reference, name)
            b = bench.draw(x.shape[1], seed=1).to(x.dtype)
            compare(bench, f"filtered_lrelu {name} {label}", compiled, reference, [x, b])
    for filtered in [False, True]:
        for label, x in images(bench, *bench.size((2, 40, 37, 21), (2, 4, 9, 7))):
            check_epilogue(bench, ops, x, f * 4 if filtered else None, f"filtered={filtered} {label}")


def nonlinearity(bench: Bench, operator: Operator, name: str) -> Operator:
    """Give filtered_lrelu all but its inputs."""
    options = {k: v.to(bench.device) if isinstance(v, Tensor) else v for k, v in NONLINEARITIES[name].items()}

    def apply(x: Tensor, b: Tensor) -> Tensor:
        return operator(x, b=b, down=2, clamp=256.0, **options)

    return apply


def check_epilogue(bench: Bench, ops: Any, x: Tensor, f: Tensor | None, label: str) -> None:
    n, c, h, w = x.shape
    lost = 0 if f is None else 1
    scale, b, noise = bench.draw(n, c, seed=1), bench.draw(c, seed=2), bench.draw(h - lost, w - lost, seed=3)
    given = [value.float() for value in (scale, b, noise)]
    options: dict[str, Any] = {"f": f, "padding": (1, 1, 1, 1), "next_styles": scale.float(), "clamp": 2.0}
    actual = style_epilogue_compiled(ops, x, *given, **options)
    expected = style_epilogue_reference(x.double(), *given, **options)
    bench.check("operators", f"style_epilogue {label}", largest_error([*actual], [*expected]), TOLERANCES[x.dtype])


def check_large(bench: Bench) -> None:
    """Check tensors with more elements than 32 bits can count."""
    ops, f = bench.ops(), setup_filter().to(bench.device)
    half = {"dtype": torch.float16, "device": bench.device}
    x = torch.ones(2, bench.size(2**30 + 1024, 1024), **half)
    y = bias_act_compiled(ops, x, torch.tensor([1.0, 3.0], device=bench.device), gain=0.5, dim=0)
    bench.check("large", "bias_act", max(float((y[0] - 1).abs().max()), float((y[1] - 2).abs().max())), 0.0)
    side = bench.size(27_000, 27)
    for layout, memory_format in LAYOUTS.items():
        x = torch.ones(1, 4, side, side, **half).contiguous(memory_format=memory_format)
        y = upfirdn2d_compiled(ops, x, f, padding=(2, 1, 2, 1))
        bench.check("large", f"upfirdn2d {layout}", float((y[:, :, 2:-1, 2:-1] - 1).abs().max()), 0.0)
        one = torch.ones(1, 4, device=bench.device)
        z, _ = style_epilogue_compiled(ops, x, one, one[0], gain=1.0)
        bench.check("large", f"style_epilogue {layout}", float((z - 2).abs().max()), 0.0)
        bench.free()


def make_generator(bench: Bench, config: GeneratorConfig | StyleGAN3Config) -> Generator:
    """Make random weights whose biases, noise strengths and styles are not those of a fresh network."""
    torch.manual_seed(0)
    generator = Generator(config)
    for name, parameter in generator.named_parameters():
        if name.endswith(("noise_strength", "bias")):
            torch.nn.init.normal_(parameter, mean=float(name.endswith("affine.bias")), std=0.1)
    return generator.to(bench.device).eval().requires_grad_(False)


def stylegan2(bench: Bench, resolution: int, num_fp16_res: int = 4) -> Generator:
    """Make a generator of NVIDIA's widths."""
    base, widest = bench.size((32768 if resolution >= 512 else 16384, 512), (64, 8))
    widths = block_channels(resolution, base, widest)
    return make_generator(bench, GeneratorConfig(resolution, widths, conv_clamp=256.0, num_fp16_res=num_fp16_res))


def stylegan3(bench: Bench, radial: bool) -> Generator:
    """Make a StyleGAN3-T, or -R where `radial`."""
    resolution, base, widest = bench.size((256, 16384, 512), (16, 32, 4))
    settings: dict[str, Any] = {"conv_kernel": 1 if radial else 3, "use_radial_filters": radial}
    num_layers = bench.size(14, 4)
    widths = band_channels(StyleGAN3Config(resolution, (1,) * num_layers, **settings), base, widest)
    return make_generator(bench, StyleGAN3Config(resolution, widths, **settings))


def styles_of(bench: Bench, generator: Generator, num: int) -> Tensor:
    """Make the styles of a few W+ codes."""
    ws = bench.draw(num, generator.config.num_ws, generator.config.w_dim).float()
    return generator.synthesis.make_styles(ws)


def check_networks(bench: Bench) -> None:
    """Check whole networks: kernels, packed weights, half precision and graphs against plain torch in float32."""
    for resolution in bench.size([64, 128, 256, 512, 1024], [16]):
        generator = stylegan2(bench, resolution)
        synthesis, styles = generator.synthesis, styles_of(bench, generator, 3)
        with plain_torch():
            expected = synthesis.render_styles(styles)
        label = f"{resolution} px"
        bench.check("networks", f"{label} kernels", relative_error(synthesis.render_styles(styles), expected), 1e-4)
        for dtype, allowed in [(torch.float32, 1e-4), (torch.float16, 2e-2), (torch.bfloat16, 5e-2)]:
            images = PackedSynthesis(synthesis, dtype)(styles)
            bench.check("networks", f"{label} packed {dtype}", relative_error(images, expected), allowed)
        check_graphs(bench, f"{label} graph float16", generator)
        bench.free()
    for radial in [False, True]:
        generator = stylegan3(bench, radial)
        styles = styles_of(bench, generator, 2)
        with plain_torch():
            expected = generator.synthesis.render_styles(styles)
        label = f"StyleGAN3-{'R' if radial else 'T'}"
        images = generator.synthesis.render_styles(styles)
        bench.check("networks", f"{label} kernels", relative_error(images, expected), 1e-4)
        check_graphs(bench, f"{label} graph", generator)


def check_graphs(bench: Bench, label: str, generator: Generator) -> None:
    """Check that replays follow their input, do not overwrite results, and follow the weights."""
    capture = capture_cuda_graph if bench.device.type == "cuda" else run_again
    eagerly = CudaSynthesis(generator.synthesis)
    eagerly.graphs.patience = 10**9
    render, eager = CudaSynthesis(generator.synthesis, capture=capture).render_styles, eagerly.render_styles
    inputs = [styles_of(bench, generator, 2) * (1 + k / 10) for k in range(6)]
    for mode in ("const", "none"):
        found = [render(styles, mode) for styles in inputs]
        errors = [relative_error(y, eager(x, mode)) for x, y in zip(inputs, found, strict=True)]
        bench.check("networks", f"{label} {mode}", max(errors), 1e-2)
    before = render(inputs[0])
    next(parameter for parameter in generator.synthesis.parameters() if parameter.ndim == 4).mul_(-1)
    after, expected = render(inputs[0]), eager(inputs[0])
    bench.check("networks", f"{label} after a change", relative_error(after, expected), 1e-2)
    bench.check("networks", f"{label} sees the change", float(torch.equal(before, after)), 0.0)


def run_again(compute: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
    """Stand in for a CUDA graph where there is no GPU."""
    return compute
