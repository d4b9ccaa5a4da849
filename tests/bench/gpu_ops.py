"""Build the CUDA operators, hold them against the references, and time them against plain torch.

    python tests/bench/gpu_ops.py

Exits with 0 if every check passes, with 1 if one fails or the build does, with 2 where there is no GPU.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from latentedit.networks.config import Band
from latentedit.networks.stylegan3 import design_filter
from stylegan_ops import (
    ACTIVATIONS,
    bias_act_reference,
    build,
    filtered_lrelu_reference,
    setup_filter,
    upfirdn2d_reference,
)
from stylegan_ops.bias_act import bias_act_compiled
from stylegan_ops.filtered_lrelu import filtered_lrelu_compiled
from stylegan_ops.upfirdn2d import upfirdn2d_compiled

TOLERANCES = {torch.float32: 2e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}  # of the largest value
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
RESAMPLINGS: list[dict[str, Any]] = [
    {"up": 1, "down": 1, "padding": (1, 1, 1, 1)},
    {"up": 2, "down": 1, "padding": (2, 1, 2, 1), "gain": 4.0},
    {"up": 1, "down": 2, "padding": (1, 1, 1, 1)},
    {"up": 2, "down": 2, "padding": (-1, 3, 2, 0)},
    {"up": 3, "down": 2, "padding": (5, 4, -2, 6)},
]
STYLEGAN_RESAMPLINGS = RESAMPLINGS[:3]
BAND = Band(64, 20.0, 18.0, 84)
NONLINEARITIES: dict[str, dict[str, Any]] = {  # of StyleGAN3: most layers, those that double the size, those of R
    "up 2": {"fu": design_filter(BAND, 2, 6), "fd": design_filter(BAND, 2, 6), "up": 2, "padding": (9, 8, 9, 8)},
    "up 4": {"fu": design_filter(BAND, 4, 6), "fd": design_filter(BAND, 2, 6), "up": 4, "padding": (-6, -9, -6, -9)},
    "radial": {"fu": design_filter(BAND, 2, 6), "fd": design_filter(BAND, 2, 6, True), "up": 2, "padding": (9, 8) * 2},
}
Operator = Callable[..., Tensor]


def draw(*shape: int, seed: int = 0) -> Tensor:
    """Draw normal values that every floating-point type can hold, in float64."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values.bfloat16().double().cuda()


def derivatives(operator: Operator, inputs: list[Tensor]) -> list[Tensor]:
    """Return y, its first derivatives along a fixed cotangent, and the derivatives of their mean square."""
    inputs = [tensor.detach().requires_grad_() for tensor in inputs]
    y = operator(*inputs)
    cotangent = draw(*y.shape, seed=9).to(y.dtype).requires_grad_()
    first = torch.autograd.grad(y, inputs, cotangent, create_graph=True)
    penalty = torch.stack([64 * d.square().mean(dtype=torch.float32) for d in first]).sum()  # 64: not denormal in half
    return [y, *first, *torch.autograd.grad(penalty, [cotangent, *inputs], materialize_grads=True)]


def largest_error(compiled: Operator, reference: Operator, inputs: list[Tensor]) -> float:
    """Compare with the reference in float64 on equal inputs: the largest error, relative to the largest value."""
    actual = derivatives(compiled, inputs)
    expected = derivatives(reference, [tensor.double() for tensor in inputs])
    errors = [(a - e).abs().max() / e.abs().max().clamp(min=1e-3) for a, e in zip(actual, expected, strict=True)]
    return torch.stack(errors).max().item()  # NaN where any is


def run_checks(ops: Any) -> Iterator[tuple[str, float, float]]:
    """Yield each check's name, its error and what is allowed."""
    for act, (dtype, allowed), (layout, memory_format), clamp in itertools.product(
        ACTIVATIONS, TOLERANCES.items(), LAYOUTS.items(), [None, 1.0]
    ):
        x, b = draw(3, 5, 33, 17).to(dtype, memory_format=memory_format), draw(5, seed=1).to(dtype)
        compiled = partial(bias_act_compiled, ops, act=act, clamp=clamp)
        reference = partial(bias_act_reference, act=act, clamp=clamp)
        error = largest_error(compiled, reference, [x, b])
        yield f"bias_act {act} clamp={clamp} {dtype} {layout}", error, allowed

    for options, taps, (dtype, allowed), (layout, memory_format) in itertools.product(
        RESAMPLINGS, [(1, 3, 3, 1), (1, 2, 3)], TOLERANCES.items(), LAYOUTS.items()
    ):
        x, f = draw(2, 35, 37, 21).to(dtype, memory_format=memory_format), setup_filter(taps).cuda()
        compiled = partial(upfirdn2d_compiled, ops, f=f, **options)
        reference = partial(upfirdn2d_reference, f=f, **options)
        error = largest_error(compiled, reference, [x])
        yield f"upfirdn2d up={options['up']} down={options['down']} {len(taps)} taps {dtype} {layout}", error, allowed

    for name, (dtype, allowed), (layout, memory_format) in itertools.product(
        NONLINEARITIES, TOLERANCES.items(), LAYOUTS.items()
    ):
        x, b = draw(2, 5, 67, 45).to(dtype, memory_format=memory_format), draw(5, seed=1).to(dtype)
        compiled = nonlinearity(partial(filtered_lrelu_compiled, ops), name)
        error = largest_error(compiled, nonlinearity(filtered_lrelu_reference, name), [x, b])
        yield f"filtered_lrelu {name} {dtype} {layout}", error, allowed


def nonlinearity(operator: Operator, name: str) -> Operator:
    """Give filtered_lrelu all but its inputs."""
    options = {key: value.cuda() if isinstance(value, Tensor) else value for key, value in NONLINEARITIES[name].items()}

    def apply(x: Tensor, b: Tensor) -> Tensor:
        return operator(x, b=b, down=2, clamp=256.0, **options)

    return apply


def run_large_checks(ops: Any) -> Iterator[tuple[str, float, float]]:
    """Yield the checks of tensors with more elements than 32 bits can count."""
    x = torch.ones(2, 2**30 + 1024, dtype=torch.float16, device="cuda")
    y = bias_act_compiled(ops, x, torch.tensor([1.0, 3.0], device="cuda"), gain=0.5, dim=0)
    yield "bias_act beyond 2^31 elements", max((y[0] - 1).abs().max().item(), (y[1] - 2).abs().max().item()), 0.0
    x = torch.ones(1, 3, 27_000, 27_000, dtype=torch.float16, device="cuda")
    y = upfirdn2d_compiled(ops, x, setup_filter().cuda(), padding=(2, 1, 2, 1))
    yield "upfirdn2d beyond 2^31 elements", (y[:, :, 2:-1, 2:-1] - 1).abs().max().item(), 0.0


def milliseconds(function: Callable[[], object], repeats: int = 10) -> float:
    """Time one call on the GPU, as the mean of a few."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(repeats):
        function()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / repeats


def compare(name: str, compiled: Callable[[], object], plain: Callable[[], object], num_bytes: float) -> None:
    """Time both in turns; print the medians, the ratios' quartiles and the bandwidth the kernel reaches."""
    for function in [compiled, plain]:
        milliseconds(function)
    pairs = [(milliseconds(compiled), milliseconds(plain)) for _ in range(15)]
    low, ratio, high = statistics.quantiles([slow / fast for fast, slow in pairs], n=4)
    fast, slow = (statistics.median(times) for times in zip(*pairs, strict=True))
    bandwidth = num_bytes / fast / 1e6
    print(f"{name}: {fast:.3f} ms, plain {slow:.3f} ms, {ratio:.2f}x ({low:.2f} to {high:.2f}), {bandwidth:.0f} GB/s")


def run_timings(ops: Any) -> None:
    """Time the forward pass, then forward and backward, on wide layers of StyleGAN2-256 and -1024, batch 8."""
    f = setup_filter().cuda()
    for (channels, size), dtype, (layout, memory_format) in itertools.product(
        [(512, 64), (128, 256), (32, 1024)], [torch.float32, torch.float16], LAYOUTS.items()
    ):
        x = torch.randn(8, channels, size, size, device="cuda").to(dtype, memory_format=memory_format)
        b = torch.randn(channels, device="cuda", dtype=dtype)
        operators: list[tuple[str, Operator, Operator]] = [
            (
                "bias_act lrelu",
                partial(bias_act_compiled, ops, b=b, act="lrelu", clamp=256.0),
                partial(bias_act_reference, b=b, act="lrelu", clamp=256.0),
            )
        ]
        operators += [
            (
                f"upfirdn2d up={options['up']} down={options['down']}",
                partial(upfirdn2d_compiled, ops, f=f, **options),
                partial(upfirdn2d_reference, f=f, **options),
            )
            for options in STYLEGAN_RESAMPLINGS
        ]
        operators += [
            (
                f"filtered_lrelu {name}",
                partial(nonlinearity(partial(filtered_lrelu_compiled, ops), name), b=b),
                partial(nonlinearity(filtered_lrelu_reference, name), b=b),
            )
            for name in NONLINEARITIES
        ]
        for name, compiled, plain in operators:
            y = compiled(x)
            essential = x.nbytes + y.nbytes
            label = f"{list(x.shape)} {dtype} {layout}"
            compare(f"{name} {label}", partial(compiled, x), partial(plain, x), essential)
            leaf, cotangent = x.detach().requires_grad_(), torch.randn_like(y)
            essential *= 2 + ("lrelu" in name) / 2  # the backward pass reads x once more
            compare(
                f"{name} forward and backward {label}",
                partial(differentiate, compiled, leaf, cotangent),
                partial(differentiate, plain, leaf, cotangent),
                essential,
            )


def differentiate(operator: Operator, x: Tensor, cotangent: Tensor) -> Tensor:
    (dx,) = torch.autograd.grad(operator(x), x, cotangent)
    return dx


def main() -> int:
    if not torch.cuda.is_available():
        print("no GPU: nothing to check, nothing to time")
        return 2
    torch.backends.cudnn.allow_tf32 = False
    start = time.perf_counter()
    ops = build.load_cuda_ops()  # warns with the reason where it fails
    if ops is None:
        return 1
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}: ready in {time.perf_counter() - start:.1f} s")
    num_failed = 0
    for name, error, allowed in itertools.chain(run_checks(ops), run_large_checks(ops)):
        passed = error <= allowed  # NaN does not
        num_failed += not passed
        print(f"{'ok' if passed else 'FAILED'}: {name}: error {error:.1e}, allowed {allowed:.1e}")
    print(f"{num_failed} checks failed")
    run_timings(ops)
    return 1 if num_failed else 0


if __name__ == "__main__":
    sys.exit(main())
