"""modulated_conv2d shares one convolution among samples; its reference gives each its own weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stylegan_ops import modulated_conv2d, modulated_conv2d_reference, setup_filter

laws = settings(derandomize=True, deadline=None, max_examples=20)


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inputs(num: int, channels: int, size: tuple[int, int], num_out: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
    return draw(num, channels, *size, seed=0), draw(num_out, channels, k, k, seed=1), 1 + draw(num, channels, seed=2)


def derivatives(function: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    """Return the value, the first derivatives of its squares' sum, and the derivatives of their squares' sum."""
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    y = function(*leaves)
    first = torch.autograd.grad(y.square().sum(), leaves, create_graph=True)
    second = torch.autograd.grad(torch.stack([d.square().sum() for d in first]).sum(), leaves)
    return [y, *first, *second]


@laws
@given(
    num=st.integers(1, 3),
    channels=st.integers(1, 4),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    num_out=st.integers(1, 4),
    k=st.sampled_from([1, 3]),
    up=st.sampled_from([1, 2]),
    demodulate=st.booleans(),
)
def test_equals_its_reference(
    num: int, channels: int, size: tuple[int, int], num_out: int, k: int, up: int, demodulate: bool
) -> None:
    def settings_of(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda x, weight, styles: function(x, weight, styles, up, setup_filter(), demodulate)

    tensors = inputs(num, channels, size, num_out, k)
    actual = derivatives(settings_of(modulated_conv2d), *tensors)
    expected = derivatives(settings_of(modulated_conv2d_reference), *tensors)
    assert actual[0].shape == (num, num_out, size[0] * up, size[1] * up)
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, e, rtol=1e-7, atol=1e-9 * max(1.0, e.abs().max().item()))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 4e-3), (torch.bfloat16, 3e-2)])
@pytest.mark.parametrize("up", [1, 2])
def test_equals_its_reference_in_half_precision(dtype: torch.dtype, tolerance: float, up: int) -> None:
    """Relative to the image's norm, both within a few roundings of float64."""
    x, weight, styles = inputs(2, 8, (7, 5), 6, 3)
    expected = modulated_conv2d_reference(x, weight, styles, up, setup_filter())
    for function in [modulated_conv2d, modulated_conv2d_reference]:
        y = function(x.to(dtype), weight.float(), styles.float(), up, setup_filter())
        assert y.dtype == dtype
        assert (y - expected).norm() < tolerance * expected.norm()


@laws
@given(scale=st.floats(0.5, 8))
def test_demodulation_undoes_the_scale_of_the_styles(scale: float) -> None:
    x, weight, styles = inputs(2, 8, (4, 4), 3, 3)
    y, scaled = modulated_conv2d(x, weight, styles), modulated_conv2d(x, weight, styles * scale)
    torch.testing.assert_close(scaled, y, rtol=1e-6, atol=1e-6)


def test_demodulation_keeps_unit_variance() -> None:
    x, weight, styles = inputs(4, 16, (32, 32), 8, 3)
    y = modulated_conv2d(x, weight, styles)[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(y.var(dim=[0, 2, 3]), torch.ones(8, dtype=torch.float64), rtol=0.2, atol=0)


def test_each_sample_is_alone() -> None:
    """A sample's output does not depend on the others in its batch."""
    x, weight, styles = inputs(3, 4, (5, 5), 2, 3)
    batch = modulated_conv2d(x, weight, styles, 2, setup_filter())
    alone = torch.cat([modulated_conv2d(x[i : i + 1], weight, styles[i : i + 1], 2, setup_filter()) for i in range(3)])
    torch.testing.assert_close(batch, alone)


def test_upsampling_needs_a_filter() -> None:
    with pytest.raises(AssertionError, match="needs a resample_filter"):
        modulated_conv2d(*inputs(1, 1, (2, 2), 1, 3), up=2)
