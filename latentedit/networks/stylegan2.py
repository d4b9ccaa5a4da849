"""The StyleGAN2 synthesis network (Karras et al. 2020), under NVIDIA's parameter names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from latentedit.networks.config import GeneratorConfig
from latentedit.networks.layers import FullyConnectedLayer, draw_normal
from latentedit.networks.synthesis import NoiseMode, StyledNetwork, split_styles
from stylegan_ops import bias_act, modulated_conv2d, setup_filter, upsample2d


class SynthesisLayer(nn.Module):
    """Modulated 3 x 3 convolution, noise, bias, leaky ReLU: [N, I, H, W], styles [N, I] -> [N, O, R, R]."""

    resample_filter: Tensor
    noise_const: Tensor

    def __init__(self, config: GeneratorConfig, in_channels: int, out_channels: int, resolution: int, up: int) -> None:
        super().__init__()
        self.resolution, self.up, self.conv_clamp = resolution, up, config.conv_clamp
        self.affine = FullyConnectedLayer(config.w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(draw_normal(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.use_noise = config.use_noise
        if config.use_noise:
            self.register_buffer("noise_const", draw_normal(resolution, resolution))
            self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("resample_filter", setup_filter(config.resample_filter), persistent=False)

    def forward(self, x: Tensor, styles: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
        x = modulated_conv2d(x, self.weight, styles, self.up, self.resample_filter)
        noise = self.make_noise(len(x), noise_mode)
        if noise is not None:
            x = x + noise.to(x.dtype)
        return bias_act(x, self.bias, act="lrelu", clamp=self.conv_clamp)

    def make_noise(self, batch: int, noise_mode: NoiseMode) -> Tensor | None:
        """Scale the noise map to add: -> [R, R], [batch, 1, R, R] or None."""
        if noise_mode == "none" or not self.use_noise:
            return None
        noise = self.noise_const
        if noise_mode == "random":
            noise = torch.randn(batch, 1, self.resolution, self.resolution, device=noise.device)
        return noise * self.noise_strength


class ToRGBLayer(nn.Module):
    """Modulated 1 x 1 convolution without demodulation: [N, I, R, R], styles [N, I] -> [N, img_channels, R, R]."""

    def __init__(self, config: GeneratorConfig, in_channels: int) -> None:
        super().__init__()
        self.conv_clamp = config.conv_clamp
        self.affine = FullyConnectedLayer(config.w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(draw_normal(config.img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(config.img_channels))
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        x = modulated_conv2d(x, self.weight, styles * self.weight_gain, demodulate=False)
        return bias_act(x, self.bias, clamp=self.conv_clamp)


class SynthesisBlock(nn.Module):
    """All layers of one resolution: features and image of the block below -> of this block."""

    resample_filter: Tensor

    def __init__(self, config: GeneratorConfig, in_channels: int, out_channels: int, resolution: int) -> None:
        super().__init__()
        self.is_first = in_channels == 0
        if self.is_first:
            self.const = nn.Parameter(draw_normal(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(config, in_channels, out_channels, resolution, up=2)
        self.conv1 = SynthesisLayer(config, out_channels, out_channels, resolution, up=1)
        self.torgb = ToRGBLayer(config, out_channels)
        self.register_buffer("resample_filter", setup_filter(config.resample_filter), persistent=False)

    def forward(
        self, x: Tensor, img: Tensor | None, styles: Mapping[str, Tensor], noise_mode: NoiseMode = "const"
    ) -> tuple[Tensor, Tensor]:
        if not self.is_first:
            x = self.conv0(x, styles["conv0"], noise_mode)
        x = self.conv1(x, styles["conv1"], noise_mode)
        rgb = self.torgb(x, styles["torgb"]).float()
        return x, rgb if img is None else upsample2d(img, self.resample_filter) + rgb


class SynthesisNetwork(StyledNetwork):
    """StyleGAN2's synthesis, skip architecture: every block adds to the image of the block below."""

    config: GeneratorConfig

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config)
        below = 0
        for resolution, width in zip(config.resolutions, config.channels, strict=True):
            self.add_module(f"b{resolution}", SynthesisBlock(config, below, width, resolution))
            below = width

    def render_styles(
        self, styles: Tensor, noise_mode: NoiseMode = "const", dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Render styles [N, num_styles], as `make_styles` lays them out: -> images [N, img_channels, R, R]."""
        style = split_styles(styles, self.config)
        x = cast(SynthesisBlock, self.b4).const.to(dtype).expand(len(styles), -1, -1, -1)
        x, img = x.contiguous(memory_format=torch.channels_last), None
        for block in (f"b{resolution}." for resolution in self.config.resolutions):
            of_block = {name.removeprefix(block): style[name] for name in style if name.startswith(block)}
            x, img = self.get_submodule(block[:-1])(x, img, of_block, noise_mode)
        return cast(Tensor, img)
