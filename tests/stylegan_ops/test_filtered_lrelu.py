"""filtered_lrelu's reference against its three steps taken one by one, and the laws it keeps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from stylegan_ops import bias_act, filtered_lrelu, filtered_lrelu_reference, upfirdn2d

laws = settings(derandomize=True, deadline=None, max_examples=20)
SETTINGS: list[dict[str, Any]] = [
    {"up": 2, "down": 2, "padding": (3, 2, 3, 2)},
    {"up": 4, "down": 2, "padding": (-2, 5, 1, 0), "clamp": 0.5},
    {"up": 1, "down": 1, "padding": (4, 4, 4, 4), "gain": 1.0, "slope": 1.0},
    {"up": 2, "down": 3, "padding": (4, 5, 6, 3), "gain": -2.0, "slope": 0.5},
]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def outer(f: Tensor) -> Tensor:
    return torch.outer(f, f) if f.ndim == 1 else f


@laws
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    up_taps=st.sampled_from([(1,), (4,), (5,), (3, 2)]),
    down_taps=st.sampled_from([(1,), (4,), (3,), (2, 4)]),
    up=st.integers(1, 4),
    down=st.integers(1, 3),
    padding=st.tuples(*[st.integers(-1, 6)] * 4),
    gain=st.sampled_from([1.0, 2**0.5]),
    clamp=st.sampled_from([None, 0.5]),
)
def test_equals_the_operators_it_is_made_of(
    size: tuple[int, int],
    up_taps: tuple[int, ...],
    down_taps: tuple[int, ...],
    up: int,
    down: int,
    padding: tuple[int, int, int, int],
    gain: float,
    clamp: float | None,
) -> None:
    left, right, top, bottom = padding
    lost_h, lost_w = (up_taps[axis] + down_taps[axis] - 2 for axis in (0, -1))
    assume(size[0] * up + top + bottom > lost_h)
    assume(size[1] * up + left + right > lost_w)
    assume(min(size) * up > 2)  # a crop leaves something
    x, b = draw(2, 3, *size), draw(3, seed=1)
    fu, fd = draw(*up_taps, seed=2).float(), draw(*down_taps, seed=3).float()
    y = filtered_lrelu(x, fu, fd, b, up, down, padding, gain, clamp=clamp)
    expected = upfirdn2d(bias_act(x, b), outer(fu.double()), up=up, padding=padding, gain=up**2)
    expected = upfirdn2d(bias_act(expected, act="lrelu", gain=gain, clamp=clamp), outer(fd.double()), down=down)
    assert y.shape[2] == (size[0] * up + top + bottom - lost_h - 1) // down + 1
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize("options", SETTINGS)
@pytest.mark.parametrize("down_taps", [(3,), (3, 4)])
def test_passes_gradgradcheck(options: dict[str, Any], down_taps: tuple[int, ...]) -> None:
    x, b = draw(1, 2, 3, 4).requires_grad_(), draw(2, seed=1).requires_grad_()
    fu, fd = draw(4, seed=2).float(), draw(*down_taps, seed=3).float()

    def function(x: Tensor, b: Tensor) -> Tensor:
        return filtered_lrelu_reference(x, fu, fd, b, **options)

    assert torch.autograd.gradcheck(function, (x, b))
    assert torch.autograd.gradgradcheck(function, (x, b))


def test_the_default_is_the_plain_leaky_relu_behind_one_tap() -> None:
    x, b, one = draw(2, 3, 4, 5), draw(3, seed=1), torch.ones(1)
    torch.testing.assert_close(filtered_lrelu(x, one, one, b), bias_act(x, b, act="lrelu"))


def test_the_padding_gets_no_bias() -> None:
    one = torch.ones(1)
    y = filtered_lrelu(torch.zeros(1, 1, 1, 1), one, one, torch.ones(1), padding=(1, 1, 1, 1), gain=1.0)
    assert y[0, 0].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_the_clamp_comes_before_the_downsampling() -> None:
    fd = torch.full([2], 0.5)
    y = filtered_lrelu(torch.tensor([[[[9.0, 1.0], [9.0, 1.0]]]]), torch.ones(1), fd, gain=1.0, clamp=2.0)
    assert y.item() == 1.5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_keeps_the_dtype(dtype: torch.dtype) -> None:
    f = torch.full([4], 0.25)
    y = filtered_lrelu(torch.ones(1, 2, 8, 8, dtype=dtype), f, f, torch.ones(2), 2, 2, (3, 2, 3, 2))
    assert y.dtype == dtype
