"""Add a bias, apply an activation, scale and clamp, in one operator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_ops import build


@dataclass(frozen=True)
class Activation:
    """An activation and the gain that keeps unit variance behind it."""

    function: Callable[[Tensor], Tensor]
    gain: float


ACTIVATIONS = {
    "linear": Activation(lambda x: x, 1.0),
    "relu": Activation(F.relu, math.sqrt(2)),
    "lrelu": Activation(lambda x: F.leaky_relu(x, 0.2), math.sqrt(2)),
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
    return ops.bias_act(x, b, act, ACTIVATIONS[act].gain if gain is None else gain, clamp, dim)


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
        x = x + b.to(x.dtype).reshape([-1 if axis == dim else 1 for axis in range(x.ndim)])
    x = activation.function(x)
    gain = activation.gain if gain is None else gain
    if gain != 1:
        x = x * gain
    if clamp is not None:
        x = x.clamp(-clamp, clamp)
    return x
