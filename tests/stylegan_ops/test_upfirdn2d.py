"""upfirdn2d's reference against a naive loop, and the laws of resampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from stylegan_ops import downsample2d, setup_filter, upfirdn2d, upfirdn2d_reference, upsample2d

laws = settings(derandomize=True, deadline=None, max_examples=20)
Image = NDArray[np.float64]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def naive(x: Image, f: Image, up: int, down: int, padding: tuple[int, int, int, int], gain: float) -> Image:
    """Resample one image by the definition: [H, W] -> [H', W']."""
    left, right, top, bottom = padding
    upsampled = np.zeros((x.shape[0] * up, x.shape[1] * up))
    upsampled[::up, ::up] = x
    padded = np.pad(upsampled, [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))])
    padded = padded[max(-top, 0) : len(padded) - max(-bottom, 0), max(-left, 0) :]
    padded = padded[:, : padded.shape[1] - max(-right, 0)]
    fh, fw = f.shape
    rows, columns = range(0, padded.shape[0] - fh + 1, down), range(0, padded.shape[1] - fw + 1, down)
    return gain * np.array([[(padded[i : i + fh, j : j + fw] * f[::-1, ::-1]).sum() for j in columns] for i in rows])


@laws
@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    taps=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    up=st.integers(1, 3),
    down=st.integers(1, 3),
    padding=st.tuples(*[st.integers(-2, 4)] * 4),
    gain=st.sampled_from([1.0, 4.0]),
)
def test_equals_its_definition(
    size: tuple[int, int],
    taps: tuple[int, int],
    up: int,
    down: int,
    padding: tuple[int, int, int, int],
    gain: float,
) -> None:
    for pixels, count, before, after in [(size[0], taps[0], *padding[2:]), (size[1], taps[1], *padding[:2])]:
        assume(pixels * up + min(before, 0) + min(after, 0) > 0)
        assume(pixels * up + before + after >= count)
    x, f = draw(2, 3, *size), draw(*taps, seed=1).float()
    y = upfirdn2d(x, f, up, down, padding, gain)
    for n in range(2):
        for c in range(3):
            expected = naive(x[n, c].numpy(), f.double().numpy(), up, down, padding, gain)
            np.testing.assert_allclose(y[n, c].numpy(), expected, rtol=1e-12, atol=1e-12)


def test_convolves_rather_than_correlates() -> None:
    """A single pixel becomes the filter itself."""
    f = torch.arange(6.0).reshape(2, 3)
    y = upfirdn2d(torch.ones(1, 1, 1, 1), f, padding=(2, 2, 1, 1))
    assert torch.equal(y[0, 0], f)


@laws
@given(up=st.integers(1, 4), size=st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_up_then_down_by_one_tap_is_the_identity(up: int, size: tuple[int, int]) -> None:
    x, one = draw(1, 2, *size), torch.ones(1, 1)
    assert torch.equal(upfirdn2d(upfirdn2d(x, one, up=up), one, down=up), x)


@laws
@given(up=st.integers(1, 2), down=st.integers(1, 2), a=st.floats(-2, 2))
def test_is_linear(up: int, down: int, a: float) -> None:
    x, y, f = draw(1, 2, 5, 6), draw(1, 2, 5, 6, seed=1), setup_filter()
    options: dict[str, Any] = {"up": up, "down": down, "padding": (2, 1, 2, 1)}
    expected = a * upfirdn2d(x, f, **options) + upfirdn2d(y, f, **options)
    torch.testing.assert_close(upfirdn2d(a * x + y, f, **options), expected)


@pytest.mark.parametrize("taps", [(1, 3, 3, 1), (1, 1), (1, 4, 6, 6, 4, 1)])
def test_resampling_keeps_constants_inside(taps: tuple[float, ...]) -> None:
    x, f = torch.full((1, 2, 12, 12), 3.0), setup_filter(taps)
    larger, smaller = upsample2d(x, f), downsample2d(x, f)
    assert larger.shape == (1, 2, 24, 24)
    assert smaller.shape == (1, 2, 6, 6)
    torch.testing.assert_close(larger[:, :, 4:-4, 4:-4], torch.full((1, 2, 16, 16), 3.0))
    torch.testing.assert_close(smaller[:, :, 2:-2, 2:-2], torch.full((1, 2, 2, 2), 3.0))


def test_resampling_keeps_the_centre() -> None:
    """An image equal to its mirror stays so."""
    x, f = draw(1, 1, 6, 6), setup_filter()
    x = x + x.flip([2, 3])
    for y in [upsample2d(x, f), downsample2d(x, f)]:
        torch.testing.assert_close(y, y.flip([2, 3]))


def test_downsampling_by_an_odd_filter_centres_it_on_every_other_pixel() -> None:
    x, f = draw(1, 1, 6, 8), setup_filter((0, 1, 0))
    assert torch.equal(downsample2d(x, f), x[:, :, ::2, ::2])


@laws
@given(size=st.tuples(st.integers(1, 6), st.integers(1, 6)), num_taps=st.sampled_from([2, 4, 6]))
def test_downsampling_is_the_adjoint_of_upsampling(size: tuple[int, int], num_taps: int) -> None:
    """<upsample x, y> = 4 <x, downsample y>, for a symmetric filter."""
    f = setup_filter([min(i + 1, num_taps - i) for i in range(num_taps)])
    x, y = draw(1, 2, *size), draw(1, 2, 2 * size[0], 2 * size[1], seed=1)
    torch.testing.assert_close((upsample2d(x, f) * y).sum(), 4 * (x * downsample2d(y, f)).sum())


def test_the_filter_is_separable_and_sums_to_one() -> None:
    f = setup_filter((1, 2, 4))
    assert f.dtype == torch.float32
    assert torch.linalg.matrix_rank(f) == 1
    torch.testing.assert_close(f.sum(), torch.tensor(1.0))
    torch.testing.assert_close(f[2, 1], torch.tensor(8 / 49))


@pytest.mark.parametrize(("up", "down", "padding"), [(2, 1, (2, 1, 2, 1)), (1, 2, (1, 1, 1, 1)), (3, 2, (-1, 4, 2, 0))])
def test_passes_gradgradcheck(up: int, down: int, padding: tuple[int, int, int, int]) -> None:
    x, f = draw(1, 2, 3, 4).requires_grad_(), setup_filter()
    assert torch.autograd.gradcheck(lambda x: upfirdn2d_reference(x, f, up, down, padding), x)
    assert torch.autograd.gradgradcheck(lambda x: upfirdn2d_reference(x, f, up, down, padding), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_keeps_the_dtype(dtype: torch.dtype) -> None:
    assert upsample2d(torch.ones(1, 2, 4, 4, dtype=dtype), setup_filter()).dtype == dtype
