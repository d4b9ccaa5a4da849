"""Networks from faces to latents, built of the discriminator's blocks: convolutions to 4 x 4, then dense layers."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from latentedit.networks.config import GeneratorConfig, block_channels
from latentedit.networks.discriminator import Conv2dLayer, DiscriminatorBlock, DiscriminatorBlocks
from latentedit.networks.layers import FullyConnectedLayer

LARGEST = {"img_resolution": 256, "num_ws": 64, "w_dim": 4096, "channel_base": 2**16, "channel_max": 1024}


@dataclass(frozen=True)
class EncoderConfig:
    """The shape of an encoder as plain numbers."""

    img_resolution: int  # of what it sees, 256 px at most
    num_ws: int
    w_dim: int
    channel_base: int = 2048  # width times side of a block
    channel_max: int = 256

    def __post_init__(self) -> None:
        for name, most in LARGEST.items():  # a file's settings must not exhaust the memory
            if not isinstance(getattr(self, name), int) or not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is not within 1 and {most}")
        if self.img_resolution < 8 or self.img_resolution.bit_count() != 1:
            raise ValueError("img_resolution is not a power of two from 8 on")

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, fit for JSON."""
        return asdict(self)


class EncoderNetwork(nn.Module):
    """See faces: [N, 3, R, R] in [-1, 1] -> ws [N, num_ws, w_dim], mean + axes @ x of what it computes."""

    mean: Tensor
    axes: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        widths = block_channels(config.img_resolution, config.channel_base, config.channel_max)[::-1]
        pairs = itertools.pairwise(widths)
        self.blocks = nn.ModuleList(DiscriminatorBlock(a, b, 0 if i else 3) for i, (a, b) in enumerate(pairs))
        self.hidden = FullyConnectedLayer(widths[-1] * 16, 512, "lrelu")
        self.out = FullyConnectedLayer(512, config.num_ws * config.w_dim)
        self.register_buffer("mean", torch.zeros(config.w_dim))
        self.register_buffer("axes", torch.eye(config.w_dim))

    def see(self, images: Tensor) -> Tensor:
        """Compute coordinates in W's population: [N, 3, R, R] -> [N, num_ws, w_dim]."""
        for block in self.blocks:
            images = block(images)
        x: Tensor = self.out(self.hidden(images.flatten(1)))
        return x.reshape(len(images), self.config.num_ws, self.config.w_dim)

    def forward(self, images: Tensor) -> Tensor:
        ws: Tensor = self.see(images) @ self.axes.t() + self.mean
        return ws


class CodeNetwork(DiscriminatorBlocks):
    """See faces as a discriminator does, and name one code each: [N, img_channels, R, R] -> w - w_avg [N, w_dim]."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config)
        channels = config.channels[0]
        self.conv = Conv2dLayer(channels, channels, 3, "lrelu")
        self.fc = FullyConnectedLayer(channels * 16, config.w_dim, "lrelu")
        self.out = FullyConnectedLayer(config.w_dim, config.w_dim)

    def forward(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        return cast(Tensor, self.out(self.fc(self.conv(self.describe(images, dtype)).flatten(1))))
