"""Apply a leaky ReLU at a higher sampling rate, between two low-pass filters: the nonlinearity of StyleGAN3."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from stylegan_ops.bias_act import along
from stylegan_ops.upfirdn2d import Padding, upfirdn2d_reference


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
    Differentiable any number of times. Source: Karras et al. 2021, section 3.1 and appendix D.
    """
    return filtered_lrelu_reference(x, fu, fd, b, up, down, padding, gain, slope, clamp)


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
