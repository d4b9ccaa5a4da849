"""The layers that render on the CPU, compiled and plain, held against the references in float64."""

from __future__ import annotations

import ctypes
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stylegan_ops import bias_act_reference, build, modulated_conv2d_reference, setup_filter, upsample2d
from stylegan_ops import plain_layers as plain
from stylegan_ops.compiled_layers import CompiledColours, CompiledConvolution, CompiledLayers
from stylegan_ops.plain_layers import PlainColours, PlainConvolution, PlainLayers

GAIN = math.sqrt(2)
TAPS = [(1.0, 3.0, 3.0, 1.0), (1.0, 2.0, 4.0, -1.0)]
ALGORITHMS = {1: ["direct", "winograd"], 2: ["direct_upsample", "upsample"]}


def runs_here(variant: str) -> bool:
    """Tell whether this machine runs what a variant is compiled to."""
    flags = Path("/proc/cpuinfo").read_text().split()
    return all(
        flag.removeprefix("-m").replace("avx512bf16", "avx512_bf16") in flags for flag in build.CPU_FLAGS[variant]
    )


def load(variant: str) -> ctypes.CDLL:
    if build.sys.platform != "linux" or build.find_compiler() is None:
        pytest.skip("no C++ compiler on this machine")
    if not runs_here(variant):
        pytest.skip(f"this machine does not run {variant}")
    return build.compile_cpu_ops(variant)


@pytest.fixture(scope="module", params=list(build.CPU_FLAGS))
def ops(request: pytest.FixtureRequest) -> ctypes.CDLL:
    """Every variant that this machine can run."""
    return load(request.param)


class Case:
    """Random inputs of one layer, and what the references make of them in float64."""

    def __init__(
        self, side: int, inputs: int, outputs: int, up: int, noise: bool, clamp: float, taps: Any, seed: int = 0
    ):
        random = torch.Generator().manual_seed(seed)
        self.sizes, self.clamp, self.taps = ((side, inputs), (side * up, outputs)), clamp, [t / sum(taps) for t in taps]
        self.x = torch.randn(inputs, side, side, generator=random).bfloat16().float()
        self.weight = torch.randn(outputs, inputs, 3, 3, generator=random)
        self.styles, self.bias = torch.randn(inputs, generator=random), torch.randn(outputs, generator=random) / 4
        self.demod = (self.weight.square().sum(dim=[2, 3]) @ self.styles.square() + 1e-8).rsqrt()
        self.noise = torch.randn(side * up, side * up, generator=random) / 4 if noise else None

    def expected(self) -> Tensor:
        up = self.sizes[1][0] // self.sizes[0][0]
        low_pass = setup_filter(self.taps).double()
        y = modulated_conv2d_reference(
            self.x[None].double(), self.weight.double(), self.styles[None].double(), up, low_pass
        )
        y = y if self.noise is None else y + self.noise.double()
        return bias_act_reference(y, self.bias.double(), act="lrelu", clamp=self.clamp)[0]

    def run(self, layers: Any, threads: int = 2, algorithm: str | None = None) -> Tensor:
        maps = [
            layers.make_map(*size, torch.zeros(layers.measure_map(*size), dtype=layers.dtype)) for size in self.sizes
        ]
        maps[0][:, :, : len(self.x)] = self.x.permute(1, 2, 0)
        settings = (self.weight, self.bias * GAIN, *maps, self.taps, self.clamp)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        if isinstance(layers, CompiledLayers):
            layer: Any = CompiledConvolution(layers.ops, *settings, algorithm)
            layers.convolutions.append(layer)
            layers.plan()
        else:
            layer = PlainConvolution(*settings)
        layer(self.styles, self.demod * GAIN, None if self.noise is None else self.noise * GAIN)
        torch.set_num_threads(before)
        return maps[1][:, :, : len(self.bias)].permute(2, 0, 1).clone()


def relative_error(value: Tensor, expected: Tensor) -> float:
    return float((value.double() - expected.double()).norm() / expected.double().norm())


CASES = st.builds(
    Case,
    side=st.sampled_from([4, 8, 16, 32]),
    inputs=st.integers(1, 70),
    outputs=st.integers(1, 70),
    up=st.sampled_from([1, 2]),
    noise=st.booleans(),
    clamp=st.sampled_from([math.inf, 1.0]),
    taps=st.sampled_from(TAPS),
    seed=st.integers(0, 100),
)


@settings(max_examples=20)
@given(case=CASES, threads=st.integers(1, 3), choice=st.integers(0, 1))
def test_a_compiled_layer_is_the_reference(ops: ctypes.CDLL, case: Case, threads: int, choice: int) -> None:
    algorithm = ALGORITHMS[case.sizes[1][0] // case.sizes[0][0]][choice]
    assert relative_error(case.run(CompiledLayers(ops, torch.float32), threads, algorithm), case.expected()) < 5e-6


@settings(max_examples=20)
@given(case=CASES, choice=st.integers(0, 1))
def test_a_compiled_layer_in_bfloat16_is_near_the_reference(case: Case, choice: int) -> None:
    up, ops = case.sizes[1][0] // case.sizes[0][0], load("avx512_bf16")
    algorithm = ALGORITHMS[1][choice] if up == 1 else "direct_upsample"
    assert relative_error(case.run(CompiledLayers(ops, torch.bfloat16), 2, algorithm), case.expected()) < 1e-2


@settings(max_examples=20)
@given(case=CASES, band=st.sampled_from([1, 2**10, 2**21]))
def test_a_plain_layer_is_the_reference_in_bands_of_any_size(case: Case, band: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "BAND", band)
        assert relative_error(case.run(PlainLayers(torch.float32)), case.expected()) < 5e-6
        assert relative_error(case.run(PlainLayers(torch.bfloat16)), case.expected()) < 2e-2


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("choice", [0, 1])
def test_the_bits_do_not_depend_on_the_threads(ops: ctypes.CDLL, up: int, choice: int) -> None:
    case = Case(32, 40, 72, up, noise=True, clamp=math.inf, taps=TAPS[0])
    results = [case.run(CompiledLayers(ops, torch.float32), n, ALGORITHMS[up][choice]) for n in (1, 2, 3, 5)]
    assert all(torch.equal(result, results[0]) for result in results)


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("choice", [0, 1])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_stays_so(ops: ctypes.CDLL, up: int, choice: int, bad: float) -> None:
    """Around a bad pixel every output is bad that the reference makes bad, under a clamp too if it is NaN."""
    case = Case(16, 32, 32, up, noise=False, clamp=1.0 if math.isnan(bad) else math.inf, taps=TAPS[0])
    case.x[3, 5, 6] = bad
    finite = case.run(CompiledLayers(ops, torch.float32), 2, ALGORITHMS[up][choice]).isfinite()
    assert not finite[~case.expected().isfinite()].any()
    assert finite[:, -4:].all()


@settings(max_examples=20)
@given(
    side=st.sampled_from([4, 8, 16, 32]),
    inputs=st.integers(1, 70),
    colours=st.integers(1, 5),
    below=st.booleans(),
    taps=st.sampled_from(TAPS),
)
def test_colours_are_the_reference(
    ops: ctypes.CDLL, side: int, inputs: int, colours: int, below: bool, taps: Any
) -> None:
    x, weight, styles = torch.randn(inputs, side, side), torch.randn(colours, inputs), torch.randn(inputs)
    bias, image = torch.randn(colours), torch.randn(colours, side // 2, side // 2) if below else None
    taps = [tap / sum(taps) for tap in taps]
    features = (weight * styles).double() @ x.flatten(1).double() + bias.double()[:, None]
    expected = features.clamp(-2, 2).view(colours, side, side)
    if image is not None:
        expected = expected + upsample2d(image[None].double(), setup_filter(taps).double())[0]
    for layers in (CompiledLayers(ops, torch.float32), PlainLayers(torch.float32)):
        features = layers.make_map(side, inputs, torch.zeros(layers.measure_map(side, inputs)))
        features[:, :, :inputs] = x.permute(1, 2, 0)
        y = torch.empty(colours, side, side)
        settings = (weight, bias, features, image, y, taps, 2.0)
        layer: Any = (
            CompiledColours(layers.ops, *settings) if isinstance(layers, CompiledLayers) else PlainColours(*settings)
        )
        if isinstance(layers, CompiledLayers):
            layer.image.threads = 2
        layer(styles)
        assert relative_error(y, expected) < 1e-6
