"""Apply a leaky ReLU at a higher sampling rate, between two low-pass filters: the nonlinearity of StyleGAN3."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_ops import build
from stylegan_ops.bias_act import along
from stylegan_ops.upfirdn2d import Padding, upfirdn2d_reference

Settings = tuple[int, int, Padding, float, float, float]  # up, down, padding, gain, slope, clamp (infinity for none)


def filtered_lrelu(
    x: Tensor,
    fu: Tensor,
    fd: Tensor,
    b: Tensor | None = None,
    up: int = 1,
    down: int = 1,
    padding: Padding = (0, 0, 0, 0),
    gain: float = math.sqrt(2),
    slope: float = 0.2,
    clamp: float | None = None,
) -> Tensor:
    """Compute downsample(clamp(gain * leaky_relu(upsample(x + b)))): [N, C, H, W] -> [N, C, H', W'].

    H' = (H * up + top + bottom - taps of fu - taps of fd + 1) // down + 1, likewise W'; negative
    padding crops. The filters `fu` and `fd` are float32, [n] along both axes or [fh, fw]; `b` is [C].
    Differentiable any number of times. A CUDA tensor takes the compiled kernel where it can be
    built: one pass that never writes the upsampled image to memory. Source: Karras et al. 2021,
    "Alias-free generative adversarial networks", section 2.1 and appendix D.
    """
    ops = build.load_cuda_ops() if x.is_cuda and not (fu.requires_grad or fd.requires_grad) else None
    if ops is None:
        return filtered_lrelu_reference(x, fu, fd, b, up, down, padding, gain, slope, clamp)
    return filtered_lrelu_compiled(ops, x, fu, fd, b, up, down, padding, gain, slope, clamp)


def filtered_lrelu_compiled(
    ops: Any,
    x: Tensor,
    fu: Tensor,
    fd: Tensor,
    b: Tensor | None = None,
    up: int = 1,
    down: int = 1,
    padding: Padding = (0, 0, 0, 0),
    gain: float = math.sqrt(2),
    slope: float = 0.2,
    clamp: float | None = None,
) -> Tensor:
    """Compute filtered_lrelu with the kernels of `ops`, see csrc/bindings.cpp: [N, C, H, W] -> [N, C, H', W'].

    `fu` and `fd` receive no gradient.
    """
    filters = (fu.float().contiguous(), fd.float().contiguous())
    settings = (up, down, padding, gain, slope, math.inf if clamp is None else clamp)
    bias = None if b is None else b.to(x.dtype)
    y: Tensor = _FilteredLrelu.apply(x, bias, None, *filters, settings, False, ops)  # type: ignore[no-untyped-call]
    return y


def filtered_lrelu_reference(
    x: Tensor,
    fu: Tensor,
    fd: Tensor,
    b: Tensor | None = None,
    up: int = 1,
    down: int = 1,
    padding: Padding = (0, 0, 0, 0),
    gain: float = math.sqrt(2),
    slope: float = 0.2,
    clamp: float | None = None,
) -> Tensor:
    """Specify filtered_lrelu in plain torch: [N, C, H, W] -> [N, C, H', W']."""
    if b is not None:
        x = x + along(1, b.to(x.dtype), x.ndim)
    if fu.ndim == 1:
        x = upfirdn2d_reference(x, fu[None], up=up, padding=padding, gain=up**2)
        x = upfirdn2d_reference(x, fu[:, None])
    else:
        x = upfirdn2d_reference(x, fu, up=up, padding=padding, gain=up**2)
    x = F.leaky_relu(x, slope) * gain
    if clamp is not None:
        x = x.clamp(-clamp, clamp)
    if fd.ndim == 1:
        x = upfirdn2d_reference(x, fd[:, None])
        return upfirdn2d_reference(x, fd[None], down=down)
    return upfirdn2d_reference(x, fd, down=down)


class _FilteredLrelu(torch.autograd.Function):
    """Compute D F(U(x + b)), its derivative D (F' * U s) along s, or `transposed` the adjoint U^T (F' * D^T s) of that.

    U and D are the resamplings, F is piecewise linear: the derivatives are linear in s, do not
    depend on x but at the kinks, and each is the other's adjoint.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        b: Tensor | None,
        s: Tensor | None,
        fu: Tensor,
        fd: Tensor,
        settings: Settings,
        transposed: bool,
        ops: Any,
    ) -> Tensor:
        ctx.save_for_backward(x, b, fu, fd)
        ctx.is_derivative, ctx.transposed, ctx.settings, ctx.ops = s is not None, transposed, settings, ops
        y: Tensor = ops.filtered_lrelu(x, b, s, fu, fd, *settings, transposed)
        return y

    @staticmethod
    def backward(ctx: Any, h: Tensor) -> tuple[Tensor | None, ...]:
        x, b, fu, fd = ctx.saved_tensors
        # The mask is a constant: no gradient, rather than zeros, reaches x and b through it.
        dh = _FilteredLrelu.apply(  # type: ignore[no-untyped-call]
            x.detach(), None if b is None else b.detach(), h, fu, fd, ctx.settings, not ctx.transposed, ctx.ops
        )
        if ctx.is_derivative:
            return None, None, dh, None, None, None, None, None
        db = None if b is None else dh.sum(dim=[0, 2, 3])
        return dh, db, None, None, None, None, None, None
