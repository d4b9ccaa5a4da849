"""StyleGAN2's synthesis on the CPU for looking only: no gradients, weights packed once, memory used again."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from latentedit.networks.layers import FullyConnectedLayer
from latentedit.networks.stylegan2 import NoiseMode, SynthesisBlock, SynthesisLayer, SynthesisNetwork
from stylegan_ops import build
from stylegan_ops.compiled_layers import CompiledLayers
from stylegan_ops.plain_layers import PlainLayers

GAIN = math.sqrt(2)  # of the leaky ReLU
TAPS = 4  # of the only low-pass filters that are taken


@dataclass
class FrozenLayer:
    """A layer ready to run: w [w_dim] -> styles, then `run`, which knows where its maps lie."""

    row: int  # of ws
    affine: FullyConnectedLayer
    run: Callable[..., None]
    gain: float = 1.0  # of the styles

    def __post_init__(self) -> None:
        self.weight = self.affine.weight * (self.affine.weight_gain * self.gain)
        self.bias = self.affine.bias * (self.affine.bias_gain * self.gain)

    def make_styles(self, ws: Tensor) -> Tensor:
        """Compute styles: ws [num_ws, w_dim] -> [I]."""
        return torch.addmv(self.bias, self.weight, ws[self.row])

    def __call__(self, ws: Tensor) -> None:
        self.run(self.make_styles(ws))


@dataclass
class FrozenConvolution(FrozenLayer):
    """A convolution ready to run, with its demodulation and its noise."""

    source: SynthesisLayer = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.power = self.source.weight.square().sum(dim=[2, 3])  # [O, I]
        self.noise_gain = self.source.noise_strength * GAIN if self.source.use_noise else torch.zeros([])
        self.noise = self.source.noise_const * self.noise_gain if self.source.use_noise else None

    def __call__(self, ws: Tensor, noise_mode: NoiseMode = "const") -> None:
        styles = self.make_styles(ws)
        demod = (self.power @ styles.square() + 1e-8).rsqrt() * GAIN
        self.run(styles, demod, self._noise(noise_mode))

    def _noise(self, noise_mode: NoiseMode) -> Tensor | None:
        if self.noise is None or noise_mode == "none":
            return None
        return self.noise if noise_mode == "const" else torch.randn(self.noise.shape).mul_(self.noise_gain)


class FrozenSynthesis:
    """A synthesis network packed for one type of feature map: ws [num_ws, w_dim] -> image [img_channels, R, R].

    Faces are made one at a time. Every block's output stays in memory, and of the next face only
    what stands above its first row of ws that differs is made anew: a sweep over the upper layers
    makes the lower ones once. An image has the same bits in any batch, after any other face.
    """

    def __init__(self, network: SynthesisNetwork, dtype: torch.dtype, ops: ctypes.CDLL | None) -> None:
        self.config, self.dtype = network.config, dtype
        self.layers = CompiledLayers(ops, dtype) if ops else PlainLayers(dtype)
        self.convolutions: list[FrozenConvolution] = []
        self.colours: list[FrozenLayer] = []
        self.last: tuple[Tensor, NoiseMode] | None = None
        self.lock = threading.Lock()
        sizes = list(zip(self.config.resolutions, self.config.channels, strict=True))
        passing = self._allocate(max(self.layers.measure_map(*size) for size in sizes))  # the maps inside the blocks
        x = self.layers.make_map(*sizes[0], self._allocate(self.layers.measure_map(*sizes[0])))
        x[:, :, : sizes[0][1]] = cast(Tensor, cast(SynthesisBlock, network.b4).const).permute(1, 2, 0)
        self.image: Tensor | None = None
        for size in sizes:
            block = cast(SynthesisBlock, network.get_submodule(f"b{size[0]}"))
            y = self.layers.make_map(*size, self._allocate(self.layers.measure_map(*size)))
            if not block.is_first:
                middle = self.layers.make_map(*size, passing)
                self._add_convolution(block.conv0, x, middle)
                x = middle
            self._add_convolution(block.conv1, x, y)
            self._add_colours(block, y)
            x = y

    def _allocate(self, count: int) -> Tensor:
        return torch.zeros(count, dtype=self.dtype)

    def _settings(self) -> dict[str, Any]:
        total = sum(self.config.resample_filter)
        taps = [tap / total for tap in self.config.resample_filter]
        return {"taps": taps, "clamp": math.inf if self.config.conv_clamp is None else self.config.conv_clamp}

    def _add_convolution(self, source: SynthesisLayer, x: Tensor, y: Tensor) -> None:
        run = self.layers.convolution(source.weight, source.bias * GAIN, x, y, **self._settings())
        self.convolutions.append(FrozenConvolution(len(self.convolutions), source.affine, run, source=source))

    def _add_colours(self, block: SynthesisBlock, x: Tensor) -> None:
        source, below = block.torgb, self.image
        self.image = torch.zeros(self.config.img_channels, len(x), len(x))
        weight = source.weight[:, :, 0, 0]
        run = self.layers.colours(weight, source.bias.clone(), x, below, self.image, **self._settings())
        self.colours.append(FrozenLayer(len(self.convolutions), source.affine, run, gain=source.weight_gain))

    @torch.no_grad()
    def render(self, ws: Tensor, noise_mode: NoiseMode, out: Tensor) -> None:
        """Render one face: ws [num_ws, w_dim] -> out [img_channels, R, R]."""
        with self.lock:
            first = self._first_difference(ws, noise_mode)
            self.last = None  # should the rest be interrupted
            self.layers.plan()
            for convolution in self.convolutions:
                upsamples = convolution.row % 2 == 1
                pair_ends = convolution.row + upsamples
                if pair_ends >= first:
                    convolution(ws, noise_mode)
                if not upsamples and convolution.row + 1 >= first:
                    self.colours[convolution.row // 2](ws)
            assert self.image is not None
            out.copy_(self.image)
            self.last = (ws.clone(), noise_mode) if noise_mode != "random" else None

    def _first_difference(self, ws: Tensor, noise_mode: NoiseMode) -> int:
        """Count the leading rows of ws that the last face shares."""
        if self.last is None or self.last[1] != noise_mode:
            return 0
        equal = (self.last[0] == ws).all(dim=1)
        return int(equal.int().cumprod(0).sum())


@dataclass
class _Snapshot:
    """The weights that a FrozenSynthesis was made from: the tensors themselves, and what tells their changes."""

    tensors: list[Tensor]

    def __post_init__(self) -> None:
        self.state = self._read()

    def _read(self) -> list[tuple[int, int]]:
        return [(tensor.data_ptr(), tensor._version) for tensor in self.tensors]

    def matches(self, network: nn.Module) -> bool:
        now = _list_tensors(network)
        same = len(now) == len(self.tensors) and all(a is b for a, b in zip(now, self.tensors, strict=True))
        return same and self.state == self._read()


_frozen: WeakKeyDictionary[SynthesisNetwork, dict[torch.dtype, tuple[_Snapshot, FrozenSynthesis]]] = WeakKeyDictionary()
_frozen_lock = threading.Lock()


def freeze(network: nn.Module, dtype: torch.dtype = torch.float32) -> FrozenSynthesis | None:
    """Return the network packed for rendering, or None where only its own forward will do.

    That is anything but a StyleGAN2 in eval mode, in float32, on the CPU, with a low-pass filter of
    four taps. It is packed again after its weights have changed, in place or by assignment; only
    what is written through `.data` goes unseen.
    """
    if not isinstance(network, SynthesisNetwork) or not _can_freeze(network):
        return None
    with _frozen_lock:
        ops = build.load_cpu_ops()
        if ops and not CompiledLayers.supports(ops, dtype):
            dtype = torch.float32  # compiled, it is faster than anything in another type on such a machine
        known = _frozen.setdefault(network, {})
        if dtype not in known or not known[dtype][0].matches(network):
            known.pop(dtype, None)  # before another takes as much memory
            with torch.no_grad():
                frozen = FrozenSynthesis(network, dtype, ops)
            known[dtype] = (_Snapshot(_list_tensors(network)), frozen)
        return known[dtype][1]


def _can_freeze(network: SynthesisNetwork) -> bool:
    tensors = _list_tensors(network)
    fits = all(t.device.type == "cpu" and t.dtype == torch.float32 and not t.is_inference() for t in tensors)
    return fits and not network.training and len(network.config.resample_filter) == TAPS


def _list_tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
