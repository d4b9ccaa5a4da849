"""StyleGAN2's synthesis for inference on a GPU: a layer is one dense convolution and one pass over what it made.

The style scales the activations, in the pass before, and demodulation the outputs, in the pass after: so
all faces of a batch share the weights. In half precision the feature maps are channels_last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.networks.stylegan2 import SynthesisBlock, SynthesisLayer, SynthesisNetwork, ToRGBLayer
from latentedit.networks.synthesis import NoiseMode, split_styles
from stylegan_ops import style_epilogue, transposed_padding, upfirdn2d, upsample2d

RANGE = 2.0**15  # half precision ends at twice that
UNCLAMPED = 256.0  # the bound that weights are scaled for where feature maps have none


@dataclass(frozen=True)
class PackedLayer:
    """A styled convolution, its weights scaled so that no clamped input makes an output beyond `RANGE`."""

    layer: SynthesisLayer
    weight: Tensor  # [O, I, 3, 3], or [I, O, 3, 3] where the layer upsamples
    amplitude: Tensor  # [O], what the weights were divided by
    power: Tensor  # [O, I], of the weights as learned
    f: Tensor | None  # the filter behind the convolution, where the kernel knows its length

    @classmethod
    def of(cls, layer: SynthesisLayer, dtype: torch.dtype) -> PackedLayer:
        learned = layer.weight.detach().float()
        weight, amplitude = bound(learned, layer.conv_clamp)
        if layer.up == 2:
            weight = weight.transpose(0, 1)
        packed = weight.to(dtype).contiguous(memory_format=layout(dtype))
        f = layer.resample_filter * 4 if layer.up == 2 and len(layer.resample_filter) == 4 else None
        return cls(layer, packed, amplitude.flatten(), learned.square().sum(dim=[2, 3]), f)

    def convolve(self, x: Tensor) -> Tensor:
        """Convolve the scaled input; an upsampling layer's filter is still to come: -> [N, O, R, R] or one more."""
        if self.layer.up == 2:
            return F.conv_transpose2d(x, self.weight, stride=2)
        return F.conv2d(x, self.weight, padding=1)

    def finish(
        self, y: Tensor, style: Style, noise_mode: NoiseMode, next_styles: Tensor | None, keep: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        """Filter, demodulate, add noise and bias, activate: -> the features, and these scaled by the next style."""
        layer, padding = self.layer, transposed_padding(self.layer.resample_filter, self.layer.up, 3)
        demodulation = (style.learned.square() @ self.power.t() + 1e-8).rsqrt()  # Karras et al. 2020, equation 3
        if layer.up == 2 and self.f is None:
            y = upfirdn2d(y, layer.resample_filter, padding=padding, gain=4)
        return style_epilogue(
            y,
            scale=demodulation * style.peak * self.amplitude,
            b=layer.bias,
            noise=layer.make_noise(len(y), noise_mode),
            f=self.f,
            padding=padding,
            next_styles=next_styles,
            keep=keep,
            clamp=layer.conv_clamp,
        )


@dataclass(frozen=True)
class Style:
    """A layer's style [N, I], and what it is scaled to: at most 1, so that it takes no feature beyond the clamp."""

    learned: Tensor
    peak: Tensor  # [N, 1]
    scaled: Tensor  # [N, I]

    @classmethod
    def of(cls, learned: Tensor) -> Style:
        peak = learned.abs().amax(dim=1, keepdim=True).clamp(min=1e-20)
        return cls(learned, peak, (learned / peak).contiguous())


class PackedSynthesis:
    """Render styles [N, num_styles] with the weights that a network has now: -> images [N, img_channels, R, R].

    Equal to `network.render_styles` up to rounding, without gradients. The blocks that
    `config.is_half` tells hold their feature maps in `dtype`, the others in float32.
    """

    def __init__(self, network: SynthesisNetwork, dtype: torch.dtype = torch.float16) -> None:
        self.config = network.config
        self.blocks = [(f"b{r}", cast(SynthesisBlock, network.get_submodule(f"b{r}"))) for r in self.config.resolutions]
        self.layers: dict[str, PackedLayer] = {}
        for (name, block), resolution in zip(self.blocks, self.config.resolutions, strict=True):
            held = dtype if self.config.is_half(resolution) else torch.float32
            for part, layer in block.named_children():
                if isinstance(layer, SynthesisLayer):
                    self.layers[f"{name}.{part}"] = PackedLayer.of(layer, held)

    @torch.no_grad()
    def __call__(self, styles: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
        parts, names = split_styles(styles.float(), self.config), list(self.layers)
        layer_styles = {name: Style.of(parts[name]) for name in names}
        const = self.blocks[0][1].const
        z: Tensor | None = const * layer_styles[names[0]].scaled[:, :, None, None]
        img = None
        for name, after in zip(names, [*names[1:], None], strict=True):
            packed, (block, part) = self.layers[name], name.split(".")
            x = cast(Tensor, z).to(packed.weight.dtype, memory_format=layout(packed.weight.dtype))
            next_styles = layer_styles[after].scaled if after else None
            y, z = packed.finish(packed.convolve(x), layer_styles[name], noise_mode, next_styles, keep=part == "conv1")
            if y is not None:
                torgb = dict(self.blocks)[block].torgb
                img = add_image(img, to_rgb(torgb, y, parts[f"{block}.torgb"]), packed.layer.resample_filter)
        return cast(Tensor, img)


def bound(weight: Tensor, conv_clamp: float | None) -> tuple[Tensor, Tensor]:
    """Scale each output's weights so that inputs up to the clamp give outputs up to `RANGE`: -> weights, what it took.

    The sum of their absolute values bounds what a convolution can make: [..., O, I, k, k] -> [..., O, 1, 1, 1].
    """
    most = weight.abs().sum(dim=[-3, -2, -1], keepdim=True).clamp(min=1e-20)
    amplitude = most * ((conv_clamp or UNCLAMPED) / RANGE)
    return weight / amplitude, amplitude


def to_rgb(layer: ToRGBLayer, x: Tensor, styles: Tensor) -> Tensor:
    """Convolve with weights of each sample's own, as one batched matrix product: -> float32 [N, img_channels, R, R]."""
    n, _, h, w = x.shape
    modulated = layer.weight * (styles * layer.weight_gain)[:, None, :, None, None]  # [N, 3, I, 1, 1]
    weight, amplitude = bound(modulated, layer.conv_clamp)
    rgb = weight.flatten(2).to(x.dtype) @ x.flatten(2)  # [N, 3, H * W]; no copy in either layout
    scale, image = amplitude.flatten(1), rgb.reshape(n, -1, h, w).float()
    y, _ = style_epilogue(image, scale, layer.bias, gain=1.0, slope=1.0, clamp=layer.conv_clamp)
    return cast(Tensor, y)


def add_image(img: Tensor | None, rgb: Tensor, resample_filter: Tensor) -> Tensor:
    """Add what a block sees to the image of the block below, enlarged."""
    return rgb if img is None else upsample2d(img, resample_filter).add_(rgb)


def layout(dtype: torch.dtype) -> torch.memory_format:
    """Choose the layout that a GPU's convolutions are made for: tensor cores read channels_last."""
    return torch.contiguous_format if dtype == torch.float32 else torch.channels_last
