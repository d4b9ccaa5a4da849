"""Networks from faces to latents, built of the discriminator's blocks: convolutions to 4 x 4, then dense layers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from latentedit.networks.config import GeneratorConfig, block_channels
from latentedit.networks.discriminator import Conv2dLayer, DiscriminatorBlock, DiscriminatorBlocks
from latentedit.networks.layers import FullyConnectedLayer

LARGEST = {
    "img_resolution": 256,
    "num_ws": 64,
    "w_dim": 4096,
    "channel_base": 2**16,
    "channel_max": 1024,
    "num_features": 4096,
    "num_axes": 4096,
}


@dataclass(frozen=True)
class EncoderConfig:
    """The shape of an encoder as plain numbers."""

    img_resolution: int  # of what it sees, 256 px at most
    num_ws: int
    w_dim: int
    channel_base: int = 2048  # width times side of a block
    channel_max: int = 256
    num_features: int = 256  # behind the convolutions
    num_axes: int = 256  # of W+, along which it moves

    def __post_init__(self) -> None:
        for name, most in LARGEST.items():  # a file's settings must not exhaust the memory
            if not isinstance(getattr(self, name), int) or not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is not within 1 and {most}")
        if self.num_axes > self.num_ws * self.w_dim:
            raise ValueError("num_axes is more than W+ has dimensions")
        if self.img_resolution < 8 or self.img_resolution.bit_count() != 1:
            raise ValueError("img_resolution is not a power of two from 8 on")

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, fit for JSON."""
        return asdict(self)


class EncoderNetwork(nn.Module):
    """See faces: [N, 3, R, R] in [-1, 1] -> ws [N, num_ws, w_dim], mean + y @ axes of what it computes."""

    mean: Tensor
    axes: Tensor  # [num_axes, num_ws, w_dim]

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        widths = block_channels(config.img_resolution, config.channel_base, config.channel_max)[::-1]
        pairs = itertools.pairwise(widths)
        self.blocks = nn.ModuleList(DiscriminatorBlock(a, b, 0 if i else 3) for i, (a, b) in enumerate(pairs))
        self.conv = Conv2dLayer(widths[-1], widths[-1], 3, "lrelu")
        self.fc = FullyConnectedLayer(widths[-1] * 16, config.num_features, "lrelu")
        self.out = FullyConnectedLayer(config.num_features, config.num_axes)
        self.register_buffer("mean", torch.zeros(config.w_dim))
        self.register_buffer("axes", torch.zeros(config.num_axes, config.num_ws, config.w_dim))

    def see(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Compute how far along each axis, the blocks' maps in `dtype`: [N, 3, R, R] -> y [N, num_axes]."""
        maps = images.to(dtype)
        for block in self.blocks:
            maps = block(maps)
        return cast(Tensor, self.out(self.fc(self.conv(maps.float()).flatten(1))))

    def to_ws(self, y: Tensor) -> Tensor:
        """Leave the axes: y [N, num_axes] -> ws [N, num_ws, w_dim]."""
        ws: Tensor = torch.tensordot(y, self.axes, dims=1) + self.mean
        return ws

    @torch.no_grad()
    def take_over(self, weights: Mapping[str, Tensor], axes: Tensor, mean: Tensor, whitening: Tensor) -> None:
        """Begin where another ended, whose ws are mean + y @ axes [K, rows, w_dim], as near as the own axes come.

        Near is meant in whitened coordinates, (w - mean) @ whitening [w_dim, w_dim]. Its last row stands for all
        that follow. Raises ValueError unless shapes fit.
        """
        own, num_rows = self.state_dict(), self.config.num_ws
        rows = torch.arange(num_rows).clamp(max=axes.shape[1] - 1)
        followed = (axes[:, rows] @ whitening).flatten(1).t()  # [num_ws * w_dim, K]
        to_y = torch.linalg.pinv((self.axes @ whitening).flatten(1).t())  # [num_axes, num_ws * w_dim]
        apart = ((mean - self.mean) @ whitening).repeat(num_rows)
        taken = dict(weights)
        taken["out.weight"] = to_y @ (followed @ weights["out.weight"])
        taken["out.bias"] = to_y @ (followed @ weights["out.bias"] + apart)
        if any(name not in own or own[name].shape != tensor.shape for name, tensor in taken.items()):
            raise ValueError("tensors of other shapes")
        self.load_state_dict({**own, **taken})

    def forward(self, images: Tensor) -> Tensor:
        return self.to_ws(self.see(images))


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


def rename_code(weights: Mapping[str, Tensor], img_resolution: int) -> dict[str, Tensor]:
    """Name a `CodeNetwork`'s tensors, which sees images of that size, as an `EncoderNetwork` does."""
    return {
        re.sub(r"^b(\d+)\.", lambda m: f"blocks.{(img_resolution // int(m[1])).bit_length() - 1}.", name): tensor
        for name, tensor in weights.items()
    }
