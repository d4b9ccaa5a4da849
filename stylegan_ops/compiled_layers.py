"""StyleGAN2's layers for one face at a time, in the compiled operators of csrc/cpu.

Feature maps are [R, R, channels], their channels filled up with zeros to a multiple of 32.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

CHANNELS = 32  # the panels of every variant divide it
NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}

# Filters to products, [products, 3] (Lavin & Gray 2016); csrc/cpu/winograd.h holds the other two transforms.
Filters = list[tuple[float, float, float]]

WINOGRAD_FOUR: Filters = [
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
]
WINOGRAD_TWO: Filters = [(1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)]
TRANSPOSED: Filters = [(0, 0, 1 / 2), (-1 / 2, 0, -1 / 2), (1 / 6, 0, -1 / 6), (1 / 3, 0, 1 / 6), (1, 0, 0), (0, 1, 0)]


class _Layer(ctypes.Structure):
    """Mirror csrc/cpu/layer.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "weight", "styles", "demod", "bias", "noise", "y", "scratch")),
        *((name, ctypes.c_int64) for name in ("height", "width", "inputs", "outputs", "block", "together")),
        ("clamp", ctypes.c_float),
        ("taps", ctypes.c_float * 4),
        ("threads", ctypes.c_int32),
    )


class _Image(ctypes.Structure):
    """Mirror the Image of csrc/cpu/rgb.cpp."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "weight", "bias", "below", "y")),
        *((name, ctypes.c_int64) for name in ("height", "width", "inputs", "colours")),
        ("clamp", ctypes.c_float),
        ("taps", ctypes.c_float * 4),
        ("threads", ctypes.c_int32),
    )


class CompiledLayers:
    """Makes the layers of one network, whose feature maps are held in `dtype`; they share scratch memory."""

    def __init__(self, ops: ctypes.CDLL, dtype: torch.dtype) -> None:
        self.ops, self.dtype, self.threads = ops, dtype, 0
        self.convolutions: list[CompiledConvolution] = []
        self.all_colours: list[CompiledColours] = []

    @staticmethod
    def supports(ops: ctypes.CDLL, dtype: torch.dtype) -> bool:
        """Tell whether a compiled variant has operators for feature maps in `dtype`."""
        return hasattr(ops, f"direct_{NAMES[dtype]}")

    def measure_map(self, resolution: int, channels: int) -> int:
        """Count the elements of a feature map, whose channels are filled up to a multiple of 32."""
        return resolution**2 * _fill(channels)

    def make_map(self, resolution: int, channels: int, memory: Tensor) -> Tensor:
        """Place a feature map into memory of `measure_map` elements or more: -> [R, R, channels, filled up]."""
        return memory[: self.measure_map(resolution, channels)].view(resolution, resolution, -1)

    def convolution(
        self, weight: Tensor, bias: Tensor, x: Tensor, y: Tensor, taps: Sequence[float], clamp: float
    ) -> CompiledConvolution:
        """Make a convolution: see CompiledConvolution."""
        self.convolutions.append(CompiledConvolution(self.ops, weight, bias, x, y, taps, clamp))
        return self.convolutions[-1]

    def colours(
        self,
        weight: Tensor,
        bias: Tensor,
        x: Tensor,
        below: Tensor | None,
        y: Tensor,
        taps: Sequence[float],
        clamp: float,
    ) -> CompiledColours:
        """Make a toRGB layer: see CompiledColours."""
        self.all_colours.append(CompiledColours(self.ops, weight, bias, x, below, y, taps, clamp))
        return self.all_colours[-1]

    def plan(self) -> None:
        """Divide the work among torch's threads, where their number has changed."""
        if self.threads == torch.get_num_threads():
            return
        self.threads = torch.get_num_threads()
        needed = max(convolution.divide(self.threads) for convolution in self.convolutions)
        self.scratch = torch.empty(needed + 63, dtype=torch.uint8)
        for convolution in self.convolutions:
            convolution.layer.scratch = math.ceil(self.scratch.data_ptr() / 64) * 64
        for colours in self.all_colours:
            colours.image.threads = self.threads


class CompiledConvolution:
    """One modulated 3 x 3 convolution and its epilogue: map `x` -> map `y`, which is twice as large if it upsamples.

    `weight` is [O, I, 3, 3]; `bias` [O], demodulation and noise come times the activation's gain;
    `taps` are the four of the low-pass filter, normalised to sum 1.
    """

    def __init__(
        self,
        ops: ctypes.CDLL,
        weight: Tensor,
        bias: Tensor,
        x: Tensor,
        y: Tensor,
        taps: Sequence[float],
        clamp: float,
        algorithm: str | None = None,
    ) -> None:
        self.name, self.dtype = algorithm or choose_algorithm(len(x), len(y) > len(x), x.dtype), x.dtype
        self.function = _bind(ops, f"{self.name}_{NAMES[x.dtype]}", None)
        self.count_scratch = _bind(ops, f"{self.name}_{NAMES[x.dtype]}_scratch", ctypes.c_int64)
        self.styles, self.demod = torch.zeros(x.shape[2]), torch.zeros(y.shape[2])
        packed = pack(weight, self.name, x.dtype, _bind(ops, "panel_channels", ctypes.c_int64)())
        self.tensors = {
            "x": x,
            "y": y,
            "weight": packed,
            "bias": _pad(bias),
            "styles": self.styles,
            "demod": self.demod,
        }
        self.layer = _Layer(height=len(x), width=len(x), inputs=x.shape[2], outputs=y.shape[2], clamp=clamp)
        self.layer.taps = _mirror(taps)
        _point(self.layer, self.tensors)

    def divide(self, threads: int) -> int:
        """Divide the work among threads: -> the bytes of scratch memory that this takes."""
        self.layer.threads = threads
        self.layer.block, self.layer.together = choose_tiles(self.name, self.layer.height, threads, self.dtype)
        return int(self.count_scratch(ctypes.byref(self.layer)))

    def __call__(self, styles: Tensor, demod: Tensor, noise: Tensor | None) -> None:
        """Fill the map `y`: styles [I], demodulation [O], noise [R, R]."""
        self.styles[: len(styles)] = styles
        self.demod[: len(demod)] = demod
        self.layer.noise = None if noise is None else noise.data_ptr()
        self.function(ctypes.byref(self.layer))


class CompiledColours:
    """toRGB and the skip connection: map `x` and the image of the block below -> image `y` [colours, R, R]."""

    def __init__(
        self,
        ops: ctypes.CDLL,
        weight: Tensor,
        bias: Tensor,
        x: Tensor,
        below: Tensor | None,
        y: Tensor,
        taps: Sequence[float],
        clamp: float,
    ) -> None:
        self.unstyled = weight.contiguous()
        self.tensors = {"x": x, "y": y, "weight": torch.zeros(len(y), x.shape[2]), "bias": bias}
        self.tensors |= {} if below is None else {"below": below}
        self.function = _bind(ops, f"colour_{NAMES[x.dtype]}", None)
        self.image = _Image(height=len(x), width=len(x), inputs=x.shape[2], colours=len(y), clamp=clamp)
        self.image.taps = _mirror(taps)
        _point(self.image, self.tensors)

    def __call__(self, styles: Tensor) -> None:
        """Fill the image `y`: styles [I]."""
        torch.mul(self.unstyled, styles, out=self.tensors["weight"][:, : len(styles)])
        self.function(ctypes.byref(self.image))


def choose_algorithm(resolution: int, upsamples: bool, dtype: torch.dtype) -> str:
    """Choose what was the fastest at this size of x, as `tests/bench/cpu_synthesis.py --layers` measures it."""
    if upsamples:
        return "direct_upsample" if resolution < 16 or dtype == torch.bfloat16 else "upsample"
    return "direct" if resolution < 16 else "winograd"


def choose_tiles(name: str, resolution: int, threads: int, dtype: torch.dtype) -> tuple[int, bool]:
    """Choose how many tiles are held at once, and whether all threads share them: see csrc/cpu/tiles.h."""
    held, side = (64, 2) if name == "winograd" and dtype == torch.bfloat16 else (16, 4)
    count = (resolution // side) ** 2
    together = count < held * threads
    return (min(count, 16 * held) if together else held), together


def pack(weight: Tensor, name: str, dtype: torch.dtype, panel: int) -> Tensor:
    """Transform and order weights as csrc/cpu/products.h reads them: [O, I, 3, 3] -> panels."""
    outputs, inputs = _fill(weight.shape[0]), _fill(weight.shape[1])
    weight = F.pad(weight, (0, 0, 0, 0, 0, inputs - weight.shape[1], 0, outputs - weight.shape[0]))
    level = WINOGRAD_FOUR if dtype == torch.float32 else WINOGRAD_TWO
    rows = {"upsample": TRANSPOSED, "winograd": level}.get(name)
    count, pairs = len(rows) ** 2 if rows else 9, 2 if dtype == torch.bfloat16 else 1
    leading = (count, outputs // panel) if rows else (outputs // panel, count)
    packed = torch.empty(*leading, inputs // pairs, panel, pairs, dtype=dtype)
    panels = packed.transpose(0, 1) if rows else packed
    for part, out in zip(
        weight.reshape(-1, panel, *weight.shape[1:]), panels, strict=True
    ):  # one by one, as it takes memory
        part = _transform(_transform(part, rows).mT, rows).mT if rows else part
        out.copy_(part.reshape(panel, inputs // pairs, pairs, count).permute(3, 1, 0, 2))
    return packed


def _transform(weight: Tensor, rows: Filters) -> Tensor:
    """Compute the products' filters along the last axis, with the same bits on any number of threads."""
    return torch.stack([a * weight[..., 0] + b * weight[..., 1] + c * weight[..., 2] for a, b, c in rows], dim=-1)


def _bind(ops: ctypes.CDLL, name: str, result: Any) -> Any:
    function = getattr(ops, name)
    function.argtypes, function.restype = [] if name == "panel_channels" else [ctypes.c_void_p], result
    return function


def _point(structure: ctypes.Structure, tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        setattr(structure, name, tensor.data_ptr())


def _mirror(taps: Sequence[float]) -> Any:
    return (ctypes.c_float * 4)(*(2 * tap for tap in reversed(taps)))


def _fill(channels: int) -> int:
    return math.ceil(channels / CHANNELS) * CHANNELS


def _pad(x: Tensor) -> Tensor:
    """Fill the last axis up with zeros: [..., C] -> [..., multiple of 32]."""
    return F.pad(x, (0, _fill(x.shape[-1]) - x.shape[-1])).contiguous()
