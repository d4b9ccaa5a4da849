"""StyleGAN2's layers for one face at a time, in plain torch: what stands in where nothing is compiled.

Feature maps are [R, R, channels]. Large maps are made in bands of rows: what lies between the
convolution and the map then stays in the cache, and in memory that the allocator has at hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

BAND = 2**21  # elements


class PlainLayers:
    """Makes the layers of one network, whose feature maps are held in `dtype`."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.convolution = PlainConvolution
        self.colours = PlainColours

    def make_map(self, resolution: int, channels: int) -> Tensor:
        """Allocate a feature map: -> [R, R, channels]."""
        return torch.zeros(resolution, resolution, channels, dtype=self.dtype)

    def lay_out(self, x: Tensor) -> Tensor:
        """Lay out features as a map: [C, R, R] -> [R, R, C]."""
        return x.permute(1, 2, 0).to(self.dtype).contiguous()

    def plan(self) -> None:
        """Nothing to divide: torch knows its threads."""


class PlainConvolution:
    """One modulated 3 x 3 convolution and its epilogue: map `x` -> map `y`, which is twice as large if it upsamples.

    `weight` is [O, I, 3, 3]; `bias` [O], demodulation and noise come times the activation's gain;
    `taps` are the four of the low-pass filter, normalised to sum 1.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, x: Tensor, y: Tensor, taps: Sequence[float], clamp: float
    ) -> None:
        self.x, self.y, self.clamp, self.upsamples = x, y, clamp, len(y) > len(x)
        self.bias = bias.to(x.dtype)[:, None, None]
        self.styles_weight = not self.upsamples and weight.numel() < x.numel() + y.numel()
        weight = weight.transpose(0, 1) if self.upsamples else weight
        weight = weight if self.styles_weight else weight.to(x.dtype)
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        row = 2 * torch.tensor([*reversed(taps)], dtype=torch.float32)
        self.low_pass = torch.outer(row, row).repeat(len(bias), 1, 1, 1)  # [O, 1, 4, 4]

    def __call__(self, styles: Tensor, demod: Tensor, noise: Tensor | None) -> None:
        """Fill the map `y`: styles [I], demodulation [O], noise [R, R]."""
        dtype, after = self.x.dtype, None
        x, weight, low_pass = self.x, self.weight, self.low_pass
        if self.styles_weight:
            weight = (weight * (demod[:, None] * styles)[:, :, None, None]).to(dtype)
        else:
            x = x * styles.to(dtype)
        if self.upsamples:
            low_pass = (low_pass * demod[:, None, None, None]).to(dtype)
        elif not self.styles_weight:
            after = demod.to(dtype)[:, None, None]
        rows = max(2, BAND // self.y[0].numel() // 2 * 2)
        for first in range(0, len(self.y), rows):
            last = min(first + rows, len(self.y))
            y = _upsample(x, weight, low_pass, first, last) if self.upsamples else _convolve(x, weight, first, last)
            y = y if after is None else y.mul_(after)
            y += self.bias if noise is None else self.bias + noise[first:last].to(dtype)
            self._activate(y, _image(self.y[first:last]))

    def _activate(self, y: Tensor, out: Tensor) -> None:
        if math.isinf(self.clamp):
            torch.ops.aten.leaky_relu.out(y, 0.2, out=out)
        else:
            torch.clamp(F.leaky_relu_(y, 0.2), -self.clamp, self.clamp, out=out)


class PlainColours:
    """toRGB and the skip connection: map `x` and the image of the block below -> image `y` [colours, R, R]."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        x: Tensor,
        below: Tensor | None,
        y: Tensor,
        taps: Sequence[float],
        clamp: float,
    ) -> None:
        self.weight, self.bias, self.x, self.below, self.y, self.clamp = weight, bias, x, below, y, clamp
        a, b, c, d = (2 * tap for tap in reversed(taps))
        phases = torch.tensor([[a, c, 0], [0, b, d]])
        both = torch.einsum("pi,qj->pqij", phases, phases).reshape(4, 3, 3)
        self.enlarge = torch.einsum("cd,pij->cpdij", torch.eye(len(y)), both).flatten(0, 1)  # [4 colours, colours, 3, 3]

    def __call__(self, styles: Tensor) -> None:
        """Fill the image `y`: styles [I]."""
        weight = (self.weight * styles).to(self.x.dtype)
        rgb = torch.mm(self.x.flatten(0, 1), weight.t()).float() + self.bias
        rgb = rgb.clamp_(-self.clamp, self.clamp).t().view_as(self.y)
        if self.below is None:
            self.y.copy_(rgb)
        else:
            phases = F.conv2d(self.below[None], self.enlarge, padding=1)
            torch.add(F.pixel_shuffle(phases, 2)[0], rgb, out=self.y)


def _convolve(x: Tensor, weight: Tensor, first: int, last: int) -> Tensor:
    """Make rows of the convolution of a map: -> [1, O, last - first, R]."""
    if last - first == len(x):
        return F.conv2d(_image(x), weight, padding=1)
    return F.conv2d(_rows(x, first - 1, last + 1), weight, padding=(0, 1))


def _upsample(x: Tensor, weight: Tensor, low_pass: Tensor, first: int, last: int) -> Tensor:
    """Make rows of the filtered transposed convolution of a map: -> [1, O, last - first, 2 R]."""
    if last - first == 2 * len(x):
        raw = F.conv_transpose2d(_image(x), weight, stride=2)
        return F.conv2d(raw, low_pass, padding=1, groups=len(low_pass))
    raw = F.conv_transpose2d(_rows(x, first // 2 - 1, last // 2 + 1), weight, stride=2)[:, :, 1:-1]
    return F.conv2d(raw, low_pass, padding=(0, 1), groups=len(low_pass))


def _rows(x: Tensor, first: int, last: int) -> Tensor:
    """Take rows of a map, zeros beyond its borders: -> [1, C, last - first, R]."""
    inside = _image(x[max(first, 0) : last])
    above, below = max(-first, 0), max(last - len(x), 0)
    return F.pad(inside, (0, 0, above, below)) if above or below else inside


def _image(x: Tensor) -> Tensor:
    """View a map as torch's channels_last: [H, W, C] -> [1, C, H, W]."""
    return x.permute(2, 0, 1)[None]
