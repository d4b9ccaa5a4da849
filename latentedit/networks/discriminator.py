"""The StyleGAN2 discriminator (residual architecture): images to realness, and to features."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentedit.networks.config import GeneratorConfig
from latentedit.networks.layers import FullyConnectedLayer
from stylegan_ops import downsample2d, setup_filter, upfirdn2d
from stylegan_ops.bias_act import ACTIVATIONS


class Conv2dLayer(nn.Module):
    """Convolution with equalised learning rate, halving the side where `down` is 2: [N, I, H, W] -> [N, O, H', W']."""

    resample_filter: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, activation: str = "linear", down: int = 1
    ) -> None:
        super().__init__()
        self.activation, self.down = activation, down
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if activation != "linear" else None
        self.weight_gain = 1 / math.sqrt(in_channels * kernel_size**2)
        self.register_buffer("resample_filter", setup_filter(), persistent=False)

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        gain *= ACTIVATIONS[self.activation].gain  # before the activation as behind it: it is homogeneous
        weight = (self.weight * (self.weight_gain * gain)).to(x.dtype)
        bias = None if self.bias is None else (self.bias * gain).to(x.dtype)
        k = weight.shape[-1]
        if self.down == 2 and k == 1:
            x = F.conv2d(downsample2d(x, self.resample_filter), weight, bias)
        elif self.down == 2:
            blurred = upfirdn2d(x, self.resample_filter, padding=(2, 2, 2, 2))
            x = F.conv2d(blurred, weight, bias, stride=2)
        else:
            x = F.conv2d(x, weight, bias, padding=k // 2)
        return F.leaky_relu_(x, 0.2) if self.activation == "lrelu" else x


class DiscriminatorBlock(nn.Module):
    """Two convolutions beside a skip, halving the side: [N, I, R, R] -> [N, O, R / 2, R / 2]."""

    def __init__(self, channels: int, out_channels: int, img_channels: int = 0) -> None:
        super().__init__()
        if img_channels:
            self.fromrgb = Conv2dLayer(img_channels, channels, 1, "lrelu")
        self.is_first = img_channels > 0
        self.conv0 = Conv2dLayer(channels, channels, 3, "lrelu")
        self.conv1 = Conv2dLayer(channels, out_channels, 3, "lrelu", down=2)
        self.skip = Conv2dLayer(channels, out_channels, 1, down=2)

    def forward(self, x: Tensor) -> Tensor:
        if self.is_first:
            x = self.fromrgb(x)
        half = math.sqrt(0.5)  # the sum of the two branches keeps unit variance
        return cast(Tensor, self.skip(x, gain=half) + self.conv1(self.conv0(x), gain=half))


class DiscriminatorEpilogue(nn.Module):
    """Batch statistics, convolution and two dense layers: [N, C, 4, 4] -> [N]."""

    def __init__(self, channels: int, mbstd_group_size: int = 4) -> None:
        super().__init__()
        self.mbstd_group_size = mbstd_group_size
        self.conv = Conv2dLayer(channels + 1, channels, 3, "lrelu")
        self.fc = FullyConnectedLayer(channels * 16, channels, "lrelu")
        self.out = FullyConnectedLayer(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(append_group_deviation(x, self.mbstd_group_size))
        return cast(Tensor, self.out(self.fc(x.flatten(1))).squeeze(1))


def append_group_deviation(x: Tensor, group_size: int) -> Tensor:
    """Add a channel with the mean deviation within groups of the batch: [N, C, H, W] -> [N, C + 1, H, W]."""
    n, _, h, w = x.shape
    group = math.gcd(n, group_size)
    deviation = (x.reshape(group, n // group, -1).var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=1)  # [N / group]
    return torch.cat([x, deviation.repeat(group).reshape(n, 1, 1, 1).expand(n, 1, h, w)], dim=1)


class DiscriminatorBlocks(nn.Module):
    """The blocks of a discriminator, named b{resolution}, as wide as its generator's: images to a 4 x 4 map."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        widths = dict(zip(config.resolutions, config.channels, strict=True))
        for resolution in reversed(config.resolutions[1:]):
            img_channels = config.img_channels if resolution == config.img_resolution else 0
            block = DiscriminatorBlock(widths[resolution], widths[resolution // 2], img_channels)
            self.add_module(f"b{resolution}", block)

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks, the finest first."""
        return [self.get_submodule(f"b{resolution}") for resolution in reversed(self.config.resolutions[1:])]

    def describe(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Compute the last map, the ones before held in `dtype`: [N, img_channels, R, R] -> float32 [N, C, 4, 4]."""
        x = images.to(dtype)
        for block in self.blocks:
            x = block(x)
        return x.float()


class Discriminator(DiscriminatorBlocks):
    """Judge images: [N, img_channels, R, R] -> realness logits [N]."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config)
        self.b4 = DiscriminatorEpilogue(config.channels[0])

    def forward(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Judge images; the blocks' feature maps are held in `dtype`, the epilogue in float32."""
        return cast(Tensor, self.b4(self.describe(images, dtype)))
