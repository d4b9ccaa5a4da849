"""Upsample, FIR-filter and downsample feature maps: the resampling of StyleGAN2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_ops import build

Padding = tuple[int, int, int, int]  # left, right, top, bottom; negative crops


def setup_filter(taps: Sequence[float] = (1, 3, 3, 1)) -> Tensor:
    """Make the 2-D low-pass filter taps (x) taps, normalised to sum 1: [n] -> [n, n]."""
    row = torch.as_tensor(taps, dtype=torch.float32, device="cpu")
    kernel = torch.outer(row, row)
    return kernel / kernel.sum()


def upfirdn2d(
    x: Tensor,
    f: Tensor,
    up: int = 1,
    down: int = 1,
    padding: Padding = (0, 0, 0, 0),
    gain: float = 1.0,
) -> Tensor:
    """Insert zeros, pad, convolve with f, keep every down-th pixel: [N, C, H, W] -> [N, C, H', W'].

    H' = (H * up + top + bottom - fh) // down + 1, likewise W'. `f` is a true convolution
    kernel [fh, fw] in float32; negative padding crops. Differentiable any number of times.
    A CUDA tensor takes the compiled kernel where it can be built. Source: Karras et al. 2020,
    "Analyzing and improving the image quality of StyleGAN", appendix B.
    """
    ops = build.load_cuda_ops() if x.is_cuda and not f.requires_grad else None
    if ops is None:
        return upfirdn2d_reference(x, f, up, down, padding, gain)
    return upfirdn2d_compiled(ops, x, f, up, down, padding, gain)


def upfirdn2d_compiled(
    ops: Any,
    x: Tensor,
    f: Tensor,
    up: int = 1,
    down: int = 1,
    padding: Padding = (0, 0, 0, 0),
    gain: float = 1.0,
) -> Tensor:
    """Compute upfirdn2d with the kernels of `ops`, see csrc/bindings.cpp: [N, C, H, W] -> [N, C, H', W'].

    `f` receives no gradient.
    """
    y: Tensor = _Upfirdn2d.apply(x, f.float(), up, down, padding, gain, False, ops)  # type: ignore[no-untyped-call]
    return y


def upfirdn2d_reference(
    x: Tensor,
    f: Tensor,
    up: int = 1,
    down: int = 1,
    padding: Padding = (0, 0, 0, 0),
    gain: float = 1.0,
) -> Tensor:
    """Specify upfirdn2d in plain torch: [N, C, H, W] -> [N, C, H', W']."""
    num_channels = x.shape[1]
    x = F.pad(insert_zeros(x, up), padding)
    kernel = (f.flip([0, 1]) * gain).to(x.dtype).expand(num_channels, 1, *f.shape)
    return F.conv2d(x, kernel, groups=num_channels)[:, :, ::down, ::down]  # a strided one has a slow gradient


def insert_zeros(x: Tensor, up: int) -> Tensor:
    """Put up - 1 zeros behind every pixel: [N, C, H, W] -> [N, C, H * up, W * up]."""
    if up == 1:
        return x
    n, c, h, w = x.shape
    y = x.new_zeros(n, c, h * up, w * up)
    y[:, :, ::up, ::up] = x
    return y


def upsample2d(x: Tensor, f: Tensor, up: int = 2) -> Tensor:
    """Enlarge by `up`, keeping the centre and the mean: [N, C, H, W] -> [N, C, H * up, W * up]."""
    left, right = (f.shape[1] + up - 1) // 2, (f.shape[1] - up) // 2
    top, bottom = (f.shape[0] + up - 1) // 2, (f.shape[0] - up) // 2
    return upfirdn2d(x, f, up=up, padding=(left, right, top, bottom), gain=up**2)


def downsample2d(x: Tensor, f: Tensor, down: int = 2) -> Tensor:
    """Shrink by `down`, keeping the centre and the mean: [N, C, H, W] -> [N, C, H / down, W / down]."""
    left, right = (f.shape[1] - down + 1) // 2, (f.shape[1] - down) // 2
    top, bottom = (f.shape[0] - down + 1) // 2, (f.shape[0] - down) // 2
    return upfirdn2d(x, f, down=down, padding=(left, right, top, bottom))


class _Upfirdn2d(torch.autograd.Function):
    """Compute upfirdn2d, or with `flip` its correlation: the gradient of either is the other, up and down swapped."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, f: Tensor, up: int, down: int, padding: Padding, gain: float, flip: bool, ops: Any
    ) -> Tensor:
        y: Tensor = ops.upfirdn2d(x, f, up, down, padding, gain, flip)
        ctx.save_for_backward(f)
        ctx.sizes = (x.shape[2:], y.shape[2:])
        ctx.settings = (up, down, padding, gain, flip, ops)
        return y

    @staticmethod
    def backward(ctx: Any, h: Tensor) -> tuple[Tensor | None, ...]:
        (f,) = ctx.saved_tensors
        up, down, (left, _, top, _), gain, flip, ops = ctx.settings
        (in_h, in_w), (out_h, out_w) = ctx.sizes
        # The first tap on the first pixel becomes the last; what remains makes the size that of x.
        padding = (
            f.shape[1] - 1 - left,
            in_w * up - out_w * down + left - up + 1,
            f.shape[0] - 1 - top,
            in_h * up - out_h * down + top - up + 1,
        )
        dx = _Upfirdn2d.apply(h, f, down, up, padding, gain, not flip, ops)  # type: ignore[no-untyped-call]
        return dx, None, None, None, None, None, None, None
