"""Add a bias, apply an activation, scale and clamp, in one operator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_ops import build


@dataclass(frozen=True)
class Activation:
    """An activation, the gain that keeps unit variance behind it, and whether its second derivative is zero."""

    function: Callable[[Tensor], Tensor]
    gain: float
    piecewise_linear: bool = False


Settings = tuple[str, float, float, int]  # act, gain, clamp (infinity for none) and dim of bias_act

ACTIVATIONS = {
    "linear": Activation(lambda x: x, 1.0, piecewise_linear=True),
    "relu": Activation(F.relu, math.sqrt(2), piecewise_linear=True),
    "lrelu": Activation(lambda x: F.leaky_relu(x, 0.2), math.sqrt(2), piecewise_linear=True),
    "tanh": Activation(torch.tanh, 1.0),
    "sigmoid": Activation(torch.sigmoid, 1.0),
    "elu": Activation(F.elu, 1.0),
    "selu": Activation(F.selu, 1.0),
    "softplus": Activation(F.softplus, 1.0),
    "swish": Activation(F.silu, math.sqrt(2)),
}


def bias_act(
    x: Tensor,
    b: Tensor | None = None,
    act: str = "linear",
    gain: float | None = None,
    clamp: float | None = None,
    dim: int = 1,
) -> Tensor:
    """Compute clamp(gain * act(x + b)), elementwise: [N, C, ...] -> [N, C, ...].

    `b` [C] runs along axis `dim`; `gain` defaults to the activation's own; `clamp` bounds the
    result to [-clamp, clamp]. Differentiable any number of times. A CUDA tensor takes the
    compiled kernel where it can be built.
    """
    ops = build.load_cuda_ops() if x.is_cuda else None
    if ops is None:
        return bias_act_reference(x, b, act, gain, clamp, dim)
    return bias_act_compiled(ops, x, b, act, gain, clamp, dim)


def bias_act_compiled(
    ops: Any,
    x: Tensor,
    b: Tensor | None = None,
    act: str = "linear",
    gain: float | None = None,
    clamp: float | None = None,
    dim: int = 1,
) -> Tensor:
    """Compute bias_act with the kernels of `ops`, see csrc/bindings.cpp: [N, C, ...] -> [N, C, ...]."""
    gain = ACTIVATIONS[act].gain if gain is None else gain
    settings = (act, gain, math.inf if clamp is None else clamp, dim)
    return _derivative(x, None if b is None else b.to(x.dtype), None, 0, settings, ops)


def bias_act_reference(
    x: Tensor,
    b: Tensor | None = None,
    act: str = "linear",
    gain: float | None = None,
    clamp: float | None = None,
    dim: int = 1,
) -> Tensor:
    """Specify bias_act in plain torch: [N, C, ...] -> [N, C, ...]."""
    activation = ACTIVATIONS[act]
    if b is not None:
        x = x + along(dim, b.to(x.dtype), x.ndim)
    x = activation.function(x)
    gain = activation.gain if gain is None else gain
    if gain != 1:
        x = x * gain
    if clamp is not None:
        x = x.clamp(-clamp, clamp)
    return x


def along(dim: int, b: Tensor, num_axes: int) -> Tensor:
    """Lay a vector along axis `dim`: [C] -> [1, C, 1, ...]."""
    return b.reshape([-1 if axis == dim else 1 for axis in range(num_axes)])


class _Derivative(torch.autograd.Function):
    """Compute g * F^(order)(x + b), elementwise, for F(u) = clamp(gain * act(u)).

    Its own derivatives are of the same form, so that one class serves the forward pass (order 0,
    without g), the backward pass (order 1) and the double backward pass (order 2).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, b: Tensor | None, g: Tensor | None, order: int, settings: Settings, ops: Any
    ) -> Tensor:
        act, gain, clamp, dim = settings
        ctx.save_for_backward(x, b, g)
        ctx.order, ctx.settings, ctx.ops = order, settings, ops
        y: Tensor = ops.bias_act(x, b, g, order, act, gain, clamp, dim)
        return y

    @staticmethod
    def backward(ctx: Any, h: Tensor) -> tuple[Tensor | None, ...]:
        x, b, g = ctx.saved_tensors
        act, _, _, dim = ctx.settings
        needs_dx, needs_db, needs_dg, *_ = ctx.needs_input_grad
        dx = db = dg = None
        # No gradient at all, rather than zeros, spares the layers below a backward pass over zeros.
        is_zero = ctx.order > 0 and ACTIVATIONS[act].piecewise_linear
        if (needs_dx or needs_db) and not is_zero:
            dx = _derivative(x, b, h if g is None else h * g, ctx.order + 1, ctx.settings, ctx.ops)
        if needs_db and dx is not None:
            db = dx.sum_to_size(along(dim, b, x.ndim).shape).flatten()
        if needs_dg:
            dg = _derivative(x, b, h, ctx.order, ctx.settings, ctx.ops)
        return dx, db, dg, None, None, None


def _derivative(x: Tensor, b: Tensor | None, g: Tensor | None, order: int, settings: Settings, ops: Any) -> Tensor:
    """Compute g * F^(order)(x + b) by the kernels, or from the reference beyond their last order: like x."""
    if order <= 2:
        y: Tensor = _Derivative.apply(x, b, g, order, settings, ops)  # type: ignore[no-untyped-call]
        return y
    act, gain, clamp, dim = settings
    with torch.enable_grad():
        u = x if b is None else x + along(dim, b, x.ndim)
        y = bias_act_reference(u, None, act, gain, clamp)
        for _ in range(order):
            (y,) = torch.autograd.grad(y.sum(), u, create_graph=True)
    return y if g is None else g * y
