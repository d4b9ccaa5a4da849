"""The kernels themselves: they compile for GPUs, and compiled for the CPU they equal the references."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from stylegan_ops import (
    ACTIVATIONS,
    bias_act,
    bias_act_reference,
    build,
    filtered_lrelu,
    filtered_lrelu_reference,
    setup_filter,
    upfirdn2d,
    upfirdn2d_reference,
)
from stylegan_ops.bias_act import bias_act_compiled
from stylegan_ops.build import CSRC
from stylegan_ops.filtered_lrelu import filtered_lrelu_compiled
from stylegan_ops.upfirdn2d import upfirdn2d_compiled

# torch compiles extensions with these, which hide half of CUDA's conversions.
TORCH_NVCC_FLAGS = [
    "-D__CUDA_NO_HALF_OPERATORS__",
    "-D__CUDA_NO_HALF_CONVERSIONS__",
    "-D__CUDA_NO_BFLOAT16_CONVERSIONS__",
    "-D__CUDA_NO_HALF2_OPERATORS__",
]
laws = settings(derandomize=True, deadline=None, max_examples=15)
TOLERANCES = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}
SHAPES = [(2, 3, 5, 7), (1, 8, 4, 4), (3, 5, 1, 1), (1, 1, 9, 2), (2, 40, 3, 2)]
LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("source", sorted(CSRC.glob("*.cu")), ids=lambda path: path.name)
def test_kernels_compile_for_gpus(source: Path, capability: int, tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc")
    command = [nvcc, "-std=c++17", "--ptx", f"-arch=compute_{capability}", "-Werror", "all-warnings", *TORCH_NVCC_FLAGS]
    result = subprocess.run([*command, str(source), "-o", str(tmp_path / "ptx")], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_kernels_include_no_torch_header() -> None:
    """torch's headers would make a kernel take a minute to compile, and need torch's CUDA build."""
    pending = sorted(CSRC.glob("*.cu"))
    assert pending
    for path in pending:
        for name in re.findall(r'#include [<"](.+?)[>"]', path.read_text()):
            assert not re.match(r"torch/|ATen/|c10/|pybind11/", name), f"{path.name} includes {name}"
            if (CSRC / name).is_file() and CSRC / name not in pending:
                pending.append(CSRC / name)


def draw(shape: tuple[int, ...], layout: torch.memory_format = torch.contiguous_format, seed: int = 0) -> Tensor:
    """Draw normal values of standard deviation 2, in float64."""
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(shape, generator=generator, dtype=torch.float64)).contiguous(memory_format=layout)


def derivatives(y: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """Return y, its first derivatives along a fixed cotangent, and their derivatives by it and by the inputs."""
    cotangent = draw(tuple(y.shape), seed=1).to(y.dtype).requires_grad_()
    first = torch.autograd.grad(y, inputs, cotangent, create_graph=True)
    penalty = torch.stack([d.square().sum() for d in first]).sum()
    second = torch.autograd.grad(penalty, [cotangent, *inputs], materialize_grads=True)
    return [y, *first, *second]


def assert_all_close(actual: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(a.to(e.dtype), e, rtol=tolerance, atol=tolerance * max(1.0, e.abs().max().item()))


@pytest.mark.parametrize("act", ACTIVATIONS)
@laws
@given(
    shape=st.sampled_from(SHAPES),
    layout=st.sampled_from(LAYOUTS),
    dim=st.integers(0, 3),
    has_bias=st.booleans(),
    gain=st.sampled_from([None, 0.5, -2.0]),
    clamp=st.sampled_from([None, 0.7]),
)
def test_bias_act_equals_its_reference(
    host_ops: Any,
    act: str,
    shape: tuple[int, ...],
    layout: torch.memory_format,
    dim: int,
    has_bias: bool,
    gain: float | None,
    clamp: float | None,
) -> None:
    x = draw(shape, layout).requires_grad_()
    b = draw(shape[dim : dim + 1], seed=2).requires_grad_() if has_bias else None
    inputs = [x] if b is None else [x, b]
    y = bias_act_compiled(host_ops, x, b, act, gain, clamp, dim)
    assert y.stride() == x.stride()
    expected = bias_act_reference(x, b, act, gain, clamp, dim)
    assert_all_close(derivatives(y, inputs), derivatives(expected, inputs), 1e-12)


@pytest.mark.parametrize("act", ACTIVATIONS)
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("num_pixels", [1, 3, 35])
def test_bias_act_in_other_precisions(host_ops: Any, act: str, dtype: torch.dtype, num_pixels: int) -> None:
    """The result is the reference's in float64, rounded, also where one 16-byte pack spans several channels."""
    x, b = draw((4, 5, num_pixels)).to(dtype).requires_grad_(), draw((5,), seed=2).to(dtype).requires_grad_()
    y = bias_act_compiled(host_ops, x, b, act, clamp=3.0)
    assert y.dtype == dtype
    x64, b64 = x.detach().double().requires_grad_(), b.detach().double().requires_grad_()
    expected = bias_act_reference(x64, b64, act, clamp=3.0)
    (dx,) = torch.autograd.grad(y.sum(), x)
    (dx64,) = torch.autograd.grad(expected.sum(), x64)
    assert_all_close([y, dx], [expected, dx64], TOLERANCES[dtype])


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_bias_act_at_kinks_bounds_and_extremes(host_ops: Any, act: str) -> None:
    """Zero, the clamp's very bound, softplus's threshold, infinity and NaN go as in torch."""
    x = torch.tensor([0.0, -0.0, 1.0, -1.0, 20.0, 25.0, -90.0, 1e5, -1e5, torch.inf, torch.nan], dtype=torch.float64)
    x.requires_grad_()
    y, expected = bias_act_compiled(host_ops, x, act=act, gain=1.0, dim=0), bias_act_reference(x, act=act, gain=1.0)
    torch.testing.assert_close(y, expected, equal_nan=True)
    finite = x.detach()[:9].requires_grad_()
    for clamp in [None, 1.0]:
        y = bias_act_compiled(host_ops, finite, act=act, gain=1.0, clamp=clamp, dim=0)
        expected = bias_act_reference(finite, act=act, gain=1.0, clamp=clamp, dim=0)
        assert_all_close(derivatives(y, [finite]), derivatives(expected, [finite]), 1e-12)


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_bias_act_passes_gradgradcheck(host_ops: Any, act: str) -> None:
    x, b = draw((2, 3, 2)).requires_grad_(), draw((3,), seed=2).requires_grad_()

    def function(x: Tensor, b: Tensor) -> Tensor:
        return bias_act_compiled(host_ops, x, b, act, clamp=1.5)

    assert torch.autograd.gradcheck(function, (x, b))
    assert torch.autograd.gradgradcheck(function, (x, b))


@pytest.mark.parametrize("act", ["linear", "lrelu", "tanh", "elu", "selu", "softplus", "swish"])
def test_bias_act_has_third_derivatives(host_ops: Any, act: str) -> None:
    """The kernels end at the second derivative; the reference goes on."""
    x, b = draw((4, 3)).requires_grad_(), draw((3,), seed=2).requires_grad_()

    def third(y: Tensor) -> Tensor:
        for _ in range(3):
            (y,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        return y

    assert_all_close([third(bias_act_compiled(host_ops, x, b, act))], [third(bias_act_reference(x, b, act))], 1e-11)


@pytest.mark.parametrize("length", [1, 3, 4, 5, 1023, 1024, 1025, 4099])
def test_bias_act_takes_any_length_and_alignment(host_ops: Any, length: int) -> None:
    """Vectors and their cotangents begin off the 16-byte grid, end within a pack, and are strided."""
    values = draw((2 * length + 1,)).float()
    views = [values[:length], values[1 : 1 + length], values[1::2]]
    for view, cotangent in itertools.product(views, views):
        x = view.detach().requires_grad_()
        y, expected = bias_act_compiled(host_ops, x, act="lrelu", dim=0), bias_act_reference(x, act="lrelu", dim=0)
        for actual, wanted in [(y, expected), (gradient(y, x, cotangent), gradient(expected, x, cotangent))]:
            torch.testing.assert_close(actual, wanted)


def gradient(y: Tensor, x: Tensor, cotangent: Tensor) -> Tensor:
    (dx,) = torch.autograd.grad(y, x, cotangent)
    return dx


def test_bias_act_rejects_what_does_not_fit(host_ops: Any) -> None:
    x = torch.zeros(2, 3)
    with pytest.raises(RuntimeError, match="b must be a vector as long as axis 1"):
        bias_act_compiled(host_ops, x, torch.zeros(2))
    with pytest.raises(RuntimeError, match="floating-point"):
        bias_act_compiled(host_ops, x.int())
    with pytest.raises(RuntimeError, match="unknown activation 'gelu'"):
        host_ops.bias_act(x, None, None, 0, "gelu", 1.0, 1.0, 1)


STYLEGAN_SETTINGS = [(1, 1, 4, 4), (2, 1, 4, 4), (1, 2, 4, 4)]  # the unrolled kernels
GENERAL_SETTINGS = [(1, 1, 3, 3), (2, 2, 4, 4), (3, 2, 5, 2), (2, 1, 6, 6), (1, 3, 1, 4), (4, 1, 12, 1)]


@pytest.mark.parametrize(("up", "down", "fh", "fw"), STYLEGAN_SETTINGS + GENERAL_SETTINGS)
@laws
@given(
    size=st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 21), st.integers(1, 21)),
    layout=st.sampled_from(LAYOUTS),
    padding=st.tuples(*[st.integers(-3, 5)] * 4),
    gain=st.sampled_from([1.0, 4.0]),
)
def test_upfirdn2d_equals_its_reference(
    host_ops: Any,
    up: int,
    down: int,
    fh: int,
    fw: int,
    size: tuple[int, int, int, int],
    layout: torch.memory_format,
    padding: tuple[int, int, int, int],
    gain: float,
) -> None:
    left, right, top, bottom = padding
    assume(size[2] * up + top + bottom >= fh and size[3] * up + left + right >= fw)
    assume(size[2] * up + min(top, 0) + min(bottom, 0) > 0 and size[3] * up + min(left, 0) + min(right, 0) > 0)
    x, f = draw(size, layout).requires_grad_(), draw((fh, fw), seed=3).float()
    y = upfirdn2d_compiled(host_ops, x, f, up, down, padding, gain)
    expected = upfirdn2d_reference(x, f, up, down, padding, gain)
    assert y.shape == expected.shape
    assert_all_close(derivatives(y, [x]), derivatives(expected, [x]), 1e-12)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_upfirdn2d_in_other_precisions(
    host_ops: Any, up: int, down: int, dtype: torch.dtype, layout: torch.memory_format
) -> None:
    """The sum is rounded once; it spans more than a block along each of x, y and the channels."""
    x, f = draw((2, 35, 37, 35), layout).to(dtype), setup_filter()
    y = upfirdn2d_compiled(host_ops, x, f, up, down, (2, 1, 2, 1))
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=layout)
    assert_all_close([y], [upfirdn2d_reference(x.double(), f, up, down, (2, 1, 2, 1))], TOLERANCES[dtype])


def test_upfirdn2d_takes_any_strides(host_ops: Any) -> None:
    x, f = draw((2, 6, 9, 18))[:, ::2, :, ::3].transpose(2, 3), setup_filter()
    for view in [x, x[:, :1].expand(2, 4, 6, 9)]:
        y = upfirdn2d_compiled(host_ops, view, f, up=2, padding=(2, 1, 2, 1))
        assert_all_close([y], [upfirdn2d_reference(view, f, up=2, padding=(2, 1, 2, 1))], 1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, *TOLERANCES], ids=str)
@pytest.mark.parametrize("offset", [0, 1, 2, 4])
@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2)])
def test_upfirdn2d_takes_any_alignment(host_ops: Any, up: int, down: int, offset: int, dtype: torch.dtype) -> None:
    """Vectors of channels are read where they lie on their grid; crops and views that do not are read one by one."""
    f, storage = setup_filter(), draw((2 * 9 * 11 * 8 + offset,)).to(dtype)
    channels_last = storage[offset:].view(2, 9, 11, 8).permute(0, 3, 1, 2)
    contiguous = storage[offset:].view(2, 8, 9, 11)
    for x in [channels_last, channels_last[:, 4:, 1:, 2:], channels_last[:, 1:7], contiguous, contiguous[..., 1:-1]]:
        y = upfirdn2d_compiled(host_ops, x, f, up, down, (2, 1, 2, 1))
        expected = upfirdn2d_reference(x.double(), f, up, down, (2, 1, 2, 1))
        assert_all_close([y], [expected], TOLERANCES.get(dtype, 1e-12))


@pytest.mark.parametrize(
    ("shape", "dim"), [((3, 8, 5), 1), ((3, 5, 8), 2), ((3, 8, 16), 1), ((7, 24), 1), ((5, 1, 8), 1)]
)
def test_bias_act_finds_the_bias_of_any_layout(host_ops: Any, shape: tuple[int, ...], dim: int) -> None:
    """A pack within one channel, over successive channels, over channels' ends; with the bias on and off the grid."""
    x = draw(shape).half()
    for offset in [0, 1]:
        b = draw((shape[dim] + offset,), seed=2).half()[offset:]
        y = bias_act_compiled(host_ops, x, b, "lrelu", dim=dim)
        assert_all_close([y], [bias_act_reference(x.double(), b.double(), "lrelu", dim=dim)], 2e-3)


def test_upfirdn2d_takes_many_planes(host_ops: Any) -> None:
    """More than the 64 of a block's last axis, and the 65535 of a grid's."""
    x, f = draw((70_000, 1, 1, 1)), setup_filter()
    y = upfirdn2d_compiled(host_ops, x, f, padding=(2, 1, 2, 1))
    torch.testing.assert_close(y, x * f[1, 1].double())


def test_upfirdn2d_passes_gradgradcheck(host_ops: Any) -> None:
    x, f = draw((1, 2, 3, 4)).requires_grad_(), draw((4, 4), seed=3).float()

    def function(x: Tensor) -> Tensor:
        return upfirdn2d_compiled(host_ops, x, f, up=2, padding=(2, 1, -1, 3), gain=4)

    assert torch.autograd.gradcheck(function, x)
    assert torch.autograd.gradgradcheck(function, x)


def test_upfirdn2d_rejects_what_does_not_fit(host_ops: Any) -> None:
    with pytest.raises(RuntimeError, match="cannot filter 2 pixels with 4 taps"):
        upfirdn2d_compiled(host_ops, torch.zeros(1, 1, 2, 2), setup_filter())
    with pytest.raises(RuntimeError, match="x must be"):
        upfirdn2d_compiled(host_ops, torch.zeros(4, 4), setup_filter())


STYLEGAN3_SETTINGS: list[tuple[int, int, tuple[int, ...], tuple[int, ...]]] = [
    (2, 2, (12,), (12,)),
    (4, 2, (24,), (12,)),
    (2, 2, (12,), (12, 12)),
]
OTHER_SETTINGS: list[tuple[int, int, tuple[int, ...], tuple[int, ...]]] = [
    (1, 1, (1,), (1,)),
    (3, 2, (5,), (4,)),
    (2, 3, (4, 3), (2, 5)),
    (1, 4, (3, 1), (7,)),
]


@pytest.mark.parametrize(("up", "down", "up_taps", "down_taps"), STYLEGAN3_SETTINGS + OTHER_SETTINGS)
@laws
@given(
    size=st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(4, 37), st.integers(4, 37)),
    layout=st.sampled_from(LAYOUTS),
    padding=st.tuples(*[st.integers(-4, 9)] * 4),
    has_bias=st.booleans(),
    slope=st.sampled_from([0.2, 1.0]),
    clamp=st.sampled_from([None, 0.7]),
)
def test_filtered_lrelu_equals_its_reference(
    host_ops: Any,
    up: int,
    down: int,
    up_taps: tuple[int, ...],
    down_taps: tuple[int, ...],
    size: tuple[int, int, int, int],
    layout: torch.memory_format,
    padding: tuple[int, int, int, int],
    has_bias: bool,
    slope: float,
    clamp: float | None,
) -> None:
    left, right, top, bottom = padding
    assume(size[2] * up + top + bottom >= up_taps[0] + down_taps[0])
    assume(size[3] * up + left + right >= up_taps[-1] + down_taps[-1])
    assume(size[2] * up + min(top, 0) + min(bottom, 0) > 0 and size[3] * up + min(left, 0) + min(right, 0) > 0)
    fu, fd = (draw(taps, seed=3).bfloat16().float() for taps in (up_taps, down_taps))  # times up^2 exact in float32
    x, b = draw(size, layout).requires_grad_(), draw(size[1:2], seed=2).requires_grad_() if has_bias else None
    inputs = [x] if b is None else [x, b]
    options: dict[str, Any] = {"padding": padding, "slope": slope, "clamp": clamp}
    y = filtered_lrelu_compiled(host_ops, x, fu, fd, b, up, down, **options)
    expected = filtered_lrelu_reference(x, fu, fd, b, up, down, **options)
    assert y.shape == expected.shape
    assert_all_close(derivatives(y, inputs), derivatives(expected, inputs), 1e-11)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize(("up", "down", "up_taps", "down_taps"), STYLEGAN3_SETTINGS)
def test_filtered_lrelu_in_other_precisions(
    host_ops: Any,
    up: int,
    down: int,
    up_taps: tuple[int, ...],
    down_taps: tuple[int, ...],
    dtype: torch.dtype,
    layout: torch.memory_format,
) -> None:
    """The sums are kept in float32 and rounded once; the image spans several tiles, the last ones in part."""
    x, b = draw((2, 3, 41, 35), layout).to(dtype).requires_grad_(), draw((3,), seed=2).to(dtype)
    fu, fd = draw(up_taps, seed=3).abs().float(), draw(down_taps, seed=4).abs().float()
    fu, fd = fu / fu.sum(), fd / fd.sum()
    y = filtered_lrelu_compiled(host_ops, x, fu, fd, b, up, down, (9, 8, 9, 8))
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=layout)
    x64 = x.detach().double().requires_grad_()
    expected = filtered_lrelu_reference(x64, fu, fd, b.double(), up, down, (9, 8, 9, 8))
    (dx,), (dx64,) = torch.autograd.grad(y.sum(), x), torch.autograd.grad(expected.sum(), x64)
    assert_all_close([y, dx], [expected, dx64], TOLERANCES[dtype])


def test_filtered_lrelu_passes_gradgradcheck(host_ops: Any) -> None:
    x, b = draw((1, 2, 3, 4)).requires_grad_(), draw((2,), seed=2).requires_grad_()
    fu, fd = draw((4,), seed=3).float(), draw((3, 2), seed=4).float()

    def function(x: Tensor, b: Tensor) -> Tensor:
        return filtered_lrelu_compiled(host_ops, x, fu, fd, b, 2, 2, (3, 2, -1, 4), clamp=1.5)

    assert torch.autograd.gradcheck(function, (x, b))
    assert torch.autograd.gradgradcheck(function, (x, b))


def test_filtered_lrelu_at_the_kink_and_the_bounds(host_ops: Any) -> None:
    """Zero, the clamp's very bound and NaN go as in torch."""
    x, one = torch.tensor([[[[0.0, -0.0, 1.0, -5.0, 2.0, -9.0]]]], dtype=torch.float64), torch.ones(1)
    x.requires_grad_()
    y = filtered_lrelu_compiled(host_ops, x, one, one, gain=1.0, clamp=1.0)
    expected = filtered_lrelu_reference(x, one, one, gain=1.0, clamp=1.0)
    assert_all_close(derivatives(y, [x]), derivatives(expected, [x]), 1e-12)
    assert filtered_lrelu_compiled(host_ops, x.detach() * torch.nan, one, one, clamp=1.0).isnan().all()


def test_filtered_lrelu_has_third_derivatives(host_ops: Any) -> None:
    x, fu, fd = draw((1, 1, 5, 6)).requires_grad_(), draw((4,), seed=3).float(), draw((4,), seed=4).float()

    def third(y: Tensor) -> Tensor:
        for _ in range(3):
            (y,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
        return y

    compiled = filtered_lrelu_compiled(host_ops, x, fu, fd, None, 2, 2, (3, 2, 3, 2), gain=0.1)
    expected = filtered_lrelu_reference(x, fu, fd, None, 2, 2, (3, 2, 3, 2), gain=0.1)
    assert_all_close([third(compiled)], [third(expected)], 1e-11)


def test_filtered_lrelu_takes_any_strides(host_ops: Any) -> None:
    x, f = draw((2, 6, 9, 18))[:, ::2, :, ::3].transpose(2, 3), torch.full([4], 0.25)
    for view in [x, x[:, :1].expand(2, 4, 6, 9)]:
        leaf = view.detach().requires_grad_()
        y = filtered_lrelu_compiled(host_ops, leaf, f, f, None, 2, 2, (3, 2, 3, 2))
        expected = filtered_lrelu_reference(leaf, f, f, None, 2, 2, (3, 2, 3, 2))
        cotangent = draw(tuple(y.shape), seed=5).transpose(0, 1).contiguous().transpose(0, 1)
        assert_all_close([y, gradient(y, leaf, cotangent)], [expected, gradient(expected, leaf, cotangent)], 1e-12)


def test_filtered_lrelu_shrinks_its_tiles_to_the_memory(host_ops: Any) -> None:
    """Filters of up to 64 taps fit a block; longer ones are refused."""
    x, f = draw((1, 1, 40, 3)), draw((64,), seed=3).float()
    y = filtered_lrelu_compiled(host_ops, x, f, f, None, 8, 8, (60, 60, 60, 60))
    assert_all_close([y], [filtered_lrelu_reference(x, f, f, None, 8, 8, (60, 60, 60, 60))], 1e-11)
    long = torch.ones(200)
    with pytest.raises(RuntimeError, match="the filters are too long for a block's shared memory"):
        filtered_lrelu_compiled(host_ops, x, long, long, padding=(400, 400, 400, 400))


def test_filtered_lrelu_rejects_what_does_not_fit(host_ops: Any) -> None:
    x, f = torch.zeros(1, 2, 4, 4), torch.ones(4)
    with pytest.raises(RuntimeError, match="cannot filter 1 pixels with 4 taps"):
        filtered_lrelu_compiled(host_ops, x, f, f)
    with pytest.raises(RuntimeError, match="b must be a vector with one value a channel"):
        filtered_lrelu_compiled(host_ops, x, f, f, torch.ones(3), 2, 2)
    with pytest.raises(RuntimeError, match="filters must be"):
        filtered_lrelu_compiled(host_ops, x, torch.ones(1, 1, 1), f)


class ClaimsToBeOnTheGpu(Tensor):
    is_cuda = True


def test_cuda_tensors_take_the_kernels(host_ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "load_cuda_ops", lambda: host_ops)
    x = draw((1, 3, 4, 4)).as_subclass(ClaimsToBeOnTheGpu)
    assert bias_act(x.requires_grad_(), act="lrelu").grad_fn.name() == "_DerivativeBackward"
    assert upfirdn2d(x, setup_filter()).grad_fn.name() == "_Upfirdn2dBackward"
    assert filtered_lrelu(x, torch.ones(1), torch.ones(1)).grad_fn.name() == "_FilteredLreluBackward"


def test_a_filter_that_wants_a_gradient_takes_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "load_cuda_ops", lambda: pytest.fail("the kernels give filters no gradient"))
    f = setup_filter().requires_grad_()
    upfirdn2d(draw((1, 3, 4, 4)).as_subclass(ClaimsToBeOnTheGpu), f.double()).sum().backward()
    assert f.grad is not None
    taps = torch.ones(1, requires_grad=True)
    filtered_lrelu(draw((1, 3, 4, 4)).as_subclass(ClaimsToBeOnTheGpu), torch.ones(1), taps.double()).sum().backward()
    assert taps.grad is not None
