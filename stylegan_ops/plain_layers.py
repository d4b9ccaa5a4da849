"""StyleGAN2's layers for one face at a time, in plain torch: what stands in where nothing is compiled.

Feature maps are [R, R, channels]. Large maps are made in bands of rows: what lies between the
convolution and the map then stays in the cache, and in memory that the allocator has at hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

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

    def measure_map(self, resolution: int, channels: int) -> int:
        """Count the elements of a feature map and the row of zeros at either end of it."""
        return (resolution + 2) * resolution * channels

    def make_map(self, resolution: int, channels: int, memory: Tensor) -> Tensor:
        """Place a feature map into memory of `measure_map` elements or more: -> [R, R, channels]."""
        framed = memory[: self.measure_map(resolution, channels)].view(resolution + 2, resolution, channels)
        return framed[1:-1]

    def plan(self) -> None:
        """Nothing to divide: torch knows its threads."""


class PlainConvolution:
    """One modulated 3 x 3 convolution and its epilogue: map `x` -> map `y`, which is twice as large if it upsamples.

    `weight` is [O, I, 3, 3]; `bias` [O], demodulation and noise come times the activation's gain;
    `taps` are the four of the low-pass filter, normalised to sum 1.
    """

    def __init__(self, weight: Tensor, bias: Tensor, x: Tensor, y: Tensor, taps: Sequence[float], clamp: float) -> None:
        self.x, self.y, self.clamp, self.upsamples = x, y, clamp, len(y) > len(x)
        self.bias = bias.to(x.dtype)
        self.styles_weight = weight.numel() < x.numel() + y.numel()
        weight = weight.transpose(0, 1) if self.upsamples else weight
        weight = weight if self.styles_weight else weight.to(x.dtype)
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        row = 2 * torch.tensor([*reversed(taps)], dtype=torch.float32)
        self.low_pass = torch.outer(row, row).repeat(len(bias), 1, 1, 1)  # [O, 1, 4, 4]

    def __call__(self, styles: Tensor, demod: Tensor, noise: Tensor | None) -> None:
        """Fill the map `y`: styles [I], demodulation [O], noise [R, R]."""
        make_rows = self._prepare(styles, demod)
        step = max(2, BAND // self.y[0].numel() // 2 * 2)
        for first in range(0, len(self.y), step):
            last = min(first + step, len(self.y))
            y = make_rows(first, last).float()
            y = y if noise is None else y.add_(noise[first:last])
            self._activate(y, _image(self.y[first:last]))

    def _prepare(self, styles: Tensor, demod: Tensor) -> Callable[[int, int], Tensor]:
        """Modulate the weights or the map, whichever is smaller: -> what makes rows, [1, O, last - first, R]."""
        x, weight, dtype = self.x, self.weight, self.x.dtype
        _frame(x)[:: len(x) + 1] = 0
        if not self.styles_weight:
            x = (_frame(x) * styles.to(dtype))[1:-1]
        if self.upsamples:
            weight = (weight * styles[:, None, None, None]).to(dtype) if self.styles_weight else weight
            low_pass = (self.low_pass * demod[:, None, None, None]).to(dtype)
            return lambda first, last: _upsample(x, weight, low_pass, self.bias, first, last)
        if self.styles_weight:
            weight = (weight * (demod[:, None] * styles)[:, :, None, None]).to(dtype)
            return lambda first, last: _convolve(x, weight, self.bias, first, last)
        scale, shift = demod[:, None, None], self.bias.float()[:, None, None]
        return lambda first, last: _convolve(x, weight, None, first, last).float().mul_(scale).add_(shift)

    def _activate(self, y: Tensor, out: Tensor) -> None:
        if y.dtype == out.dtype and math.isinf(self.clamp):
            torch.ops.aten.leaky_relu.out(y, 0.2, out=out)
        else:
            out.copy_(F.leaky_relu_(y, 0.2).clamp_(-self.clamp, self.clamp))


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
        self.enlarge = torch.einsum("cd,pij->cpdij", torch.eye(len(y)), both).flatten(
            0, 1
        )  # [4 colours, colours, 3, 3]

    def __call__(self, styles: Tensor) -> None:
        """Fill the image `y`: styles [I]."""
        rgb = torch.addmm(self.bias, self.x.flatten(0, 1).float(), (self.weight * styles).t())
        rgb = rgb.clamp_(-self.clamp, self.clamp).t().view_as(self.y)
        if self.below is None:
            self.y.copy_(rgb)
        else:
            phases = F.conv2d(self.below[None], self.enlarge, padding=1)
            torch.add(F.pixel_shuffle(phases, 2)[0], rgb, out=self.y)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, first: int, last: int) -> Tensor:
    """Make rows of the convolution of a map: -> [1, O, last - first, R]."""
    return F.conv2d(_rows(x, first - 1, last + 1), weight, bias, padding=(0, 1))


def _upsample(x: Tensor, weight: Tensor, low_pass: Tensor, bias: Tensor, first: int, last: int) -> Tensor:
    """Make rows of the filtered transposed convolution of a map: -> [1, O, last - first, 2 R]."""
    raw = F.conv_transpose2d(_rows(x, first // 2 - 1, last // 2 + 1), weight, stride=2)[:, :, 1:-1]
    return F.conv2d(raw, low_pass, bias, padding=(0, 1), groups=len(low_pass))


def _rows(x: Tensor, first: int, last: int) -> Tensor:
    """Take rows of a map, from one before its first to one behind its last: -> [1, C, last - first, R]."""
    return _image(_frame(x)[first + 1 : last + 1])


def _frame(x: Tensor) -> Tensor:
    """Widen a map by the row before it and the row behind: [R, R, C] -> [R + 2, R, C]."""
    return x.as_strided((len(x) + 2, *x.shape[1:]), x.stride(), x.storage_offset() - x.stride(0))


def _image(x: Tensor) -> Tensor:
    """View a map as torch's channels_last: [H, W, C] -> [1, C, H, W]."""
    return x.permute(2, 0, 1)[None]
