"""bias_act's reference against formulas, and the laws it keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stylegan_ops import ACTIVATIONS, bias_act, bias_act_reference

laws = settings(derandomize=True, deadline=None, max_examples=20)

FORMULAS = {
    "linear": lambda u: u,
    "relu": lambda u: np.maximum(u, 0),
    "lrelu": lambda u: np.where(u > 0, u, 0.2 * u),
    "tanh": lambda u: (np.exp(2 * u) - 1) / (np.exp(2 * u) + 1),
    "sigmoid": lambda u: 1 / (1 + np.exp(-u)),
    "elu": lambda u: np.where(u > 0, u, np.exp(u) - 1),
    "selu": lambda u: 1.0507009873554805 * np.where(u > 0, u, 1.6732632423543772 * (np.exp(u) - 1)),
    "softplus": lambda u: np.log(1 + np.exp(u)),
    "swish": lambda u: u / (1 + np.exp(-u)),
}
GAINS = {"relu": math.sqrt(2), "lrelu": math.sqrt(2), "swish": math.sqrt(2)}  # 1 for the others


def test_every_activation_has_a_formula() -> None:
    assert list(ACTIVATIONS) == list(FORMULAS)


@pytest.mark.parametrize("act", ACTIVATIONS)
@laws
@given(
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=5),
    dim=st.integers(0, 4),
    gain=st.none() | st.floats(-3, 3),
    clamp=st.none() | st.floats(0.125, 4),
    seed=st.integers(0, 99),
)
def test_equals_its_formula(
    act: str, shape: list[int], dim: int, gain: float | None, clamp: float | None, seed: int
) -> None:
    dim %= len(shape)
    rng = np.random.default_rng(seed)
    x, b = rng.normal(0, 2, shape), rng.normal(0, 2, shape[dim])
    y = bias_act(torch.tensor(x), torch.tensor(b), act, gain, clamp, dim)
    u = np.moveaxis(np.moveaxis(x, dim, -1) + b, -1, dim)
    expected = FORMULAS[act](u) * (GAINS.get(act, 1.0) if gain is None else gain)
    expected = expected if clamp is None else np.clip(expected, -clamp, clamp)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("act", ACTIVATIONS)
@pytest.mark.parametrize("clamp", [None, 1.0])
def test_passes_gradgradcheck(act: str, clamp: float | None) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    b = torch.randn(3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, b: bias_act_reference(x, b, act, clamp=clamp), (x, b))
    assert torch.autograd.gradgradcheck(lambda x, b: bias_act_reference(x, b, act, clamp=clamp), (x, b))


def test_the_gradient_passes_at_the_clamp_and_not_beyond() -> None:
    x = torch.tensor([-1.5, -1.0, 0.0, 1.0, 1.5], requires_grad=True)
    bias_act(x, clamp=1.0, dim=0).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_keeps_the_dtype_and_casts_the_bias(dtype: torch.dtype) -> None:
    x, b = torch.ones(2, 3, 4, dtype=dtype), torch.arange(3, dtype=torch.float32)
    y = bias_act(x, b)
    assert y.dtype == dtype
    assert y[1, :, 2].tolist() == [1, 2, 3]


@pytest.mark.parametrize("act", ["relu", "lrelu", "swish"])
def test_the_default_gain_keeps_about_unit_power(act: str) -> None:
    x = torch.randn(100_000, 1, generator=torch.Generator().manual_seed(0))
    assert 0.6 < bias_act(x, act=act).square().mean() < 1.1
