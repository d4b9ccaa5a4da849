"""Convolve every sample with its own weights, scaled by its style: StyleGAN2's layer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_ops.upfirdn2d import Padding, upfirdn2d


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    up: int = 1,
    resample_filter: Tensor | None = None,
    demodulate: bool = True,
) -> Tensor:
    """Scale by the style, convolve, demodulate, upsample by `up`: [N, I, H, W] -> [N, O, H * up, W * up].

    `weight` is [O, I, k, k] with odd k, `styles` [N, I] in float32. All samples share one dense
    convolution: the style scales its input and the demodulation its output, which is the same
    function as `modulated_conv2d_reference`. With `up` 2, a transposed convolution comes before
    the low-pass `resample_filter`. Source: Karras et al. 2020, equations 1 and 3.
    """
    y = x * styles.to(x.dtype)[:, :, None, None]
    y = _convolve(y, weight.to(x.dtype), up, resample_filter)
    if demodulate:
        y = y * demodulation(weight, styles).to(x.dtype)[:, :, None, None]
    return y


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """Compute d = rsqrt(sum over inputs and taps of (w * s)^2): [O, I, k, k], [N, I] -> [N, O]."""
    power = weight.square().sum(dim=[2, 3])  # [O, I]
    return (styles.square() @ power.t() + 1e-8).rsqrt()


def modulated_conv2d_reference(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    up: int = 1,
    resample_filter: Tensor | None = None,
    demodulate: bool = True,
) -> Tensor:
    """Specify modulated_conv2d by explicit weights per sample: [N, I, H, W] -> [N, O, H * up, W * up]."""
    w = weight[None] * styles[:, None, :, None, None]  # [N, O, I, k, k]
    if demodulate:
        w = w * (w.square().sum(dim=[2, 3, 4], keepdim=True) + 1e-8).rsqrt()
    rows = [_convolve(x[i : i + 1], w[i].to(x.dtype), up, resample_filter) for i in range(len(x))]
    return torch.cat(rows)


def _convolve(x: Tensor, weight: Tensor, up: int, resample_filter: Tensor | None) -> Tensor:
    """Convolve with zero padding, after upsampling where up is 2: [N, I, H, W] -> [N, O, H * up, W * up]."""
    k = weight.shape[-1]
    if up == 1:
        return F.conv2d(x, weight, padding=k // 2)
    assert resample_filter is not None, "up > 1 needs a resample_filter"
    y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=up)  # zeros are never multiplied
    return upfirdn2d(y, resample_filter, padding=transposed_padding(resample_filter, up, k), gain=up**2)


def transposed_padding(f: Tensor, up: int, k: int) -> Padding:
    """Pad a k x k convolution transposed with stride `up`, so that filtering by f leaves `up` times the size."""
    taps = f.shape[0]
    before = (taps + up - 1) // 2 + k // 2 - (k - 1)
    after = (taps - up) // 2 + k // 2 - (k - up)
    return before, after, before, after
