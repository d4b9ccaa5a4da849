"""StyleGAN2's synthesis on the CPU for looking only: no gradients, weights packed once, memory used again."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from latentedit.networks.config import GeneratorConfig
from latentedit.networks.layers import FullyConnectedLayer
from latentedit.networks.snapshot import Snapshot, list_tensors
from latentedit.networks.stylegan2 import SynthesisBlock, SynthesisLayer, SynthesisNetwork
from latentedit.networks.synthesis import NoiseMode, split_styles
from stylegan_ops import build
from stylegan_ops.compiled_layers import CompiledLayers
from stylegan_ops.plain_layers import PlainLayers

GAIN = math.sqrt(2)  # of the leaky ReLU
TAPS = 4  # of the only low-pass filters that are taken


class FrozenConvolution:
    """A convolution ready to run: styles [I] -> `run`, which knows where its maps lie."""

    def __init__(self, source: SynthesisLayer, run: Callable[[Tensor, Tensor, Tensor | None], None]) -> None:
        self.run = run
        self.power = source.weight.square().sum(dim=[2, 3])  # [O, I]
        self.noise: Tensor | None = None
        if source.use_noise:
            self.noise_gain = source.noise_strength * GAIN
            self.noise = source.noise_const * self.noise_gain

    def __call__(self, styles: Tensor, noise_mode: NoiseMode) -> None:
        demod = (self.power @ styles.square() + 1e-8).rsqrt() * GAIN
        self.run(styles, demod, self._noise(noise_mode))

    def _noise(self, noise_mode: NoiseMode) -> Tensor | None:
        if self.noise is None or noise_mode == "none":
            return None
        return self.noise if noise_mode == "const" else torch.randn(self.noise.shape).mul_(self.noise_gain)


@dataclass
class FrozenBlock:
    """The layers of one resolution, by their names in `config.style_layers`."""

    convolutions: dict[str, FrozenConvolution]
    colours: str
    colours_gain: float
    run_colours: Callable[[Tensor], None]  # styles [I], times the gain


class FrozenSynthesis:
    """A synthesis network packed for one type of feature map, which makes one face at a time.

    Every block's output stays in memory, and of the next face only what stands above the first
    styles that differ is made anew: a sweep over the upper layers makes the lower ones once. An
    image has the same bits in any batch, after any other face.
    """

    def __init__(self, network: SynthesisNetwork, dtype: torch.dtype, ops: ctypes.CDLL | None) -> None:
        self.config, self.dtype = network.config, dtype
        self.layers = CompiledLayers(ops, dtype) if ops else PlainLayers(dtype)
        self.affines = [_fold(network.get_submodule(f"{layer.name}.affine")) for layer in self.config.style_layers]
        self.last: tuple[Tensor, NoiseMode] | None = None
        self.lock = threading.Lock()
        sizes = list(zip(self.config.resolutions, self.config.channels, strict=True))
        passing = self._allocate(max(self.layers.measure_map(*size) for size in sizes))  # the maps inside the blocks
        x = self.layers.make_map(*sizes[0], self._allocate(self.layers.measure_map(*sizes[0])))
        x[:, :, : sizes[0][1]] = cast(SynthesisBlock, network.b4).const.permute(1, 2, 0)
        self.image: Tensor | None = None
        self.blocks: list[FrozenBlock] = []
        for size in sizes:
            y = self.layers.make_map(*size, self._allocate(self.layers.measure_map(*size)))
            block = cast(SynthesisBlock, network.get_submodule(f"b{size[0]}"))
            self.blocks.append(self._freeze_block(f"b{size[0]}", block, x, self.layers.make_map(*size, passing), y))
            x = y

    def _allocate(self, count: int) -> Tensor:
        return torch.zeros(count, dtype=self.dtype)

    def _freeze_block(self, name: str, block: SynthesisBlock, x: Tensor, middle: Tensor, y: Tensor) -> FrozenBlock:
        convolutions = {}
        if not block.is_first:
            convolutions[f"{name}.conv0"] = self._freeze_convolution(block.conv0, x, middle)
            x = middle
        convolutions[f"{name}.conv1"] = self._freeze_convolution(block.conv1, x, y)
        source, below = block.torgb, self.image
        self.image = torch.zeros(self.config.img_channels, len(y), len(y))
        weight, bias = source.weight[:, :, 0, 0], source.bias.clone()
        run = self.layers.colours(weight, bias, y, below, self.image, **self._settings())
        return FrozenBlock(convolutions, f"{name}.torgb", source.weight_gain, run)

    def _freeze_convolution(self, source: SynthesisLayer, x: Tensor, y: Tensor) -> FrozenConvolution:
        run = self.layers.convolution(source.weight, source.bias * GAIN, x, y, **self._settings())
        return FrozenConvolution(source, run)

    def _settings(self) -> dict[str, Any]:
        total = sum(self.config.resample_filter)
        taps = [tap / total for tap in self.config.resample_filter]
        return {"taps": taps, "clamp": math.inf if self.config.conv_clamp is None else self.config.conv_clamp}

    @torch.no_grad()
    def make_styles(self, ws: Tensor) -> Tensor:
        """Put one face's ws through every layer's affine: [num_ws, w_dim] -> styles [num_styles]."""
        layers = zip(self.config.style_layers, self.affines, strict=True)
        rows = [ws[None, layer.row] @ weight.t() + bias for layer, (weight, bias) in layers]  # the affines' own bits
        return torch.cat(rows, dim=1)[0]

    def render(self, ws: Tensor, noise_mode: NoiseMode, out: Tensor) -> None:
        """Render one face: ws [num_ws, w_dim] -> out [img_channels, R, R]."""
        self.render_styles(self.make_styles(ws), noise_mode, out)

    @torch.no_grad()
    def render_styles(self, styles: Tensor, noise_mode: NoiseMode, out: Tensor) -> None:
        """Render one face: styles [num_styles], as `make_styles` lays them out -> out [img_channels, R, R]."""
        with self.lock:
            last, self.last = self.last, None  # should this be interrupted, nothing is left to build on
            known = last[0] if last and last[1] == noise_mode else torch.full_like(styles, torch.nan)
            self.layers.plan()
            self._make(_split(styles, self.config), _split(known, self.config), noise_mode)
            assert self.image is not None
            out.copy_(self.image)
            self.last = (styles.clone(), noise_mode) if noise_mode != "random" else None

    def _make(self, styles: dict[str, Tensor], known: dict[str, Tensor], noise_mode: NoiseMode) -> None:
        """Make every map and image that differs from the last face's."""
        map_changes = image_changes = False
        for block in self.blocks:
            map_changes |= any(not torch.equal(styles[name], known[name]) for name in block.convolutions)
            if map_changes:
                for name, convolution in block.convolutions.items():
                    convolution(styles[name], noise_mode)
            image_changes |= map_changes or not torch.equal(styles[block.colours], known[block.colours])
            if image_changes:
                block.run_colours(styles[block.colours] * block.colours_gain)


def _fold(affine: nn.Module) -> tuple[Tensor, Tensor]:
    """Multiply a layer's gains into its weights: -> weight [O, I], bias [O]."""
    assert isinstance(affine, FullyConnectedLayer)
    return affine.weight * affine.weight_gain, affine.bias * affine.bias_gain


def _split(styles: Tensor, config: GeneratorConfig) -> dict[str, Tensor]:
    return {name: style[0] for name, style in split_styles(styles[None], config).items()}


_frozen: WeakKeyDictionary[SynthesisNetwork, dict[torch.dtype, tuple[Snapshot, FrozenSynthesis]]] = WeakKeyDictionary()
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
            known[dtype] = (Snapshot(network), frozen)
        return known[dtype][1]


def _can_freeze(network: SynthesisNetwork) -> bool:
    tensors = list_tensors(network)
    fits = all(t.device.type == "cpu" and t.dtype == torch.float32 and not t.is_inference() for t in tensors)
    return fits and not network.training and len(network.config.resample_filter) == TAPS
