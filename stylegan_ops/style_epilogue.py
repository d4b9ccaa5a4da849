"""Finish a styled layer after its convolution, in one pass: demodulation, noise, bias, leaky ReLU, the next style."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from stylegan_ops import build
from stylegan_ops.bias_act import along
from stylegan_ops.upfirdn2d import Padding, upfirdn2d_reference

Outputs = tuple[Tensor | None, Tensor | None]


def style_epilogue(
    x: Tensor,
    scale: Tensor,
    b: Tensor,
    noise: Tensor | None = None,
    f: Tensor | None = None,
    padding: Padding = (0, 0, 0, 0),
    next_styles: Tensor | None = None,
    keep: bool = True,
    gain: float = math.sqrt(2),
    slope: float = 0.2,
    clamp: float | None = None,
) -> Outputs:
    """Compute y = clamp(gain * leaky_relu(u * scale + noise + b)) and y * next_styles: [N, C, H, W] -> two of these.

    u is x, or x padded and convolved with `f` [4, 4], as upfirdn2d does. `scale` and `next_styles`
    are [N, C], `b` is [C], `noise` [H, W] or [N, 1, H, W], all float32 whatever x is. y is None
    unless `keep`, its product None without `next_styles`. A CUDA tensor takes the compiled kernel
    where it can be built and no gradient is wanted: it rounds to the dtype of x only once.
    """
    ops = build.load_cuda_ops() if x.is_cuda and not _wants_gradient(x, scale, b, noise, f, next_styles) else None
    if ops is None:
        return style_epilogue_reference(x, scale, b, noise, f, padding, next_styles, keep, gain, slope, clamp)
    return style_epilogue_compiled(ops, x, scale, b, noise, f, padding, next_styles, keep, gain, slope, clamp)


def style_epilogue_compiled(
    ops: Any,
    x: Tensor,
    scale: Tensor,
    b: Tensor,
    noise: Tensor | None = None,
    f: Tensor | None = None,
    padding: Padding = (0, 0, 0, 0),
    next_styles: Tensor | None = None,
    keep: bool = True,
    gain: float = math.sqrt(2),
    slope: float = 0.2,
    clamp: float | None = None,
) -> Outputs:
    """Compute style_epilogue with the kernel of `ops`, see csrc/bindings.cpp; without gradients."""
    bound = math.inf if clamp is None else clamp
    y, z = ops.style_epilogue(x, scale, b, noise, f, padding, next_styles, keep, gain, slope, bound)
    return y, z


def style_epilogue_reference(
    x: Tensor,
    scale: Tensor,
    b: Tensor,
    noise: Tensor | None = None,
    f: Tensor | None = None,
    padding: Padding = (0, 0, 0, 0),
    next_styles: Tensor | None = None,
    keep: bool = True,
    gain: float = math.sqrt(2),
    slope: float = 0.2,
    clamp: float | None = None,
) -> Outputs:
    """Specify style_epilogue in plain torch: [N, C, H, W] -> [N, C, H', W'], twice."""
    if f is not None:
        x = upfirdn2d_reference(x, f, padding=padding)
    x = x * scale.to(x.dtype)[:, :, None, None]
    if noise is not None:
        x = x + noise.to(x.dtype)
    y = torch.nn.functional.leaky_relu(x + along(1, b.to(x.dtype), 4), slope) * gain
    if clamp is not None:
        y = y.clamp(-clamp, clamp)
    z = None if next_styles is None else y * next_styles.to(y.dtype)[:, :, None, None]
    return y if keep else None, z


def _wants_gradient(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)
