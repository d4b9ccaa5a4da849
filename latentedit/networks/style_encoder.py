"""The encoders of pSp, e4e and ReStyle on ArcFace's IR-SE50, under their published files' tensor names.

Sources: Deng et al. 2019 and Hu et al. 2018 (backbone), Richardson et al. 2021 (pSp), Tov et al. 2021
(e4e), Alaluf et al. 2021 (ReStyle).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentedit.networks.layers import FullyConnectedLayer

SIDE = 256  # pixels that they see
UNITS = (3, 4, 14, 3)  # of each width of the backbone
SQUEEZE = 16  # channels of a unit for each of its gate
LEVELS = (16, 32, 64)  # sides of the maps that coarse, middle and fine styles are read from
MIDDLE, FINE = 3, 7  # first styles of their kinds
LARGEST_WIDTH, MOST_STYLES = 256, 64
KINDS = {  # encoder_type in a file's opts: whether styles are read from a pyramid, and as differences from the first
    "GradualStyleEncoder": (True, False),
    "Encoder4Editing": (True, True),
    "BackboneEncoder": (False, False),
    "ProgressiveBackboneEncoder": (False, True),
}


@dataclass(frozen=True)
class StyleEncoderConfig:
    """The shape of an encoder; published ones are 64 channels wide at first, and 512 at last."""

    kind: str
    num_styles: int = 18
    in_channels: int = 3  # 6 where it sees its last attempt beside the photograph
    width: int = 64

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"an encoder of type {self.kind!r:.80}: those are read of type {', '.join(KINDS)}")
        if self.in_channels not in (3, 6) or not 1 <= self.num_styles <= MOST_STYLES:
            raise ValueError(f"{self.in_channels} channels to see and {self.num_styles} styles: 3 or 6 and 1 to 64 fit")
        if not 1 <= self.width <= LARGEST_WIDTH:
            raise ValueError(f"{self.width} channels wide: give 1 to {LARGEST_WIDTH}")


class Gate(nn.Module):
    """Weigh channels by what the whole map holds: [N, C, H, W] -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, max(1, channels // SQUEEZE), 1, bias=False)
        self.fc2 = nn.Conv2d(max(1, channels // SQUEEZE), channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.fc2(F.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True))))
        return x * gate.sigmoid()


class Unit(nn.Module):
    """A residual unit of IR-SE50: [N, I, H, W] -> [N, O, H / stride, W / stride]."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        widens = in_channels != channels
        self.shortcut_layer = nn.Sequential(*_project(in_channels, channels, stride)) if widens else None
        self.stride = stride
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, channels, 3, padding=1, bias=False),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            Gate(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        kept = self.shortcut_layer(x) if self.shortcut_layer else x[..., :: self.stride, :: self.stride]
        return cast(Tensor, kept + self.res_layer(x))


def _project(in_channels: int, channels: int, stride: int) -> Iterator[nn.Module]:
    yield nn.Conv2d(in_channels, channels, 1, stride, bias=False)
    yield nn.BatchNorm2d(channels)


class StyleHead(nn.Module):
    """Read one style from a map, halved down to a point: [N, C, side, side] -> [N, C]."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        halvings = [(nn.Conv2d(channels, channels, 3, 2, 1), nn.LeakyReLU(0.01)) for _ in range(side.bit_length() - 1)]
        self.convs = nn.Sequential(*itertools.chain(*halvings))
        self.linear = FullyConnectedLayer(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.linear(self.convs(x).flatten(1)))


class StyleEncoder(nn.Module):
    """See faces of 256 px: [N, 3 or 6, 256, 256] in [-1, 1] -> difference from the mean ws [N, num_styles, 8 width]."""

    def __init__(self, config: StyleEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.has_pyramid, self.is_progressive = KINDS[config.kind]
        width, deepest = config.width, 8 * config.width
        self.input_layer = nn.Sequential(
            nn.Conv2d(config.in_channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
        )
        self.body = nn.Sequential(*_units(width))
        self.styles = nn.ModuleList(StyleHead(deepest, LEVELS[self._level(i)]) for i in range(config.num_styles))
        if self.has_pyramid:
            self.latlayer1 = nn.Conv2d(4 * width, deepest, 1)
            self.latlayer2 = nn.Conv2d(2 * width, deepest, 1)

    def _level(self, style: int) -> int:
        return 0 if not self.has_pyramid else (style >= MIDDLE) + (style >= FINE)

    def forward(self, images: Tensor) -> Tensor:
        maps = self._describe(images)
        ws = torch.stack([head(maps[self._level(i)]) for i, head in enumerate(self.styles)], dim=1)
        return torch.cat([ws[:, :1], ws[:, :1] + ws[:, 1:]], dim=1) if self.is_progressive else ws

    def _describe(self, images: Tensor) -> list[Tensor]:
        """Compute the maps that styles are read from: coarse [N, C, 16, 16] and, of a pyramid, middle and fine."""
        fine, middle, coarse = UNITS[0] + UNITS[1] - 1, sum(UNITS[:3]) - 1, sum(UNITS) - 1
        x, seen = self.input_layer(images), {}
        for i, unit in enumerate(self.body):
            seen[i] = x = unit(x)
        if not self.has_pyramid:
            return [seen[coarse]]
        second = self.latlayer1(seen[middle]) + _enlarge(seen[coarse])
        return [seen[coarse], second, self.latlayer2(seen[fine]) + _enlarge(second)]


def _units(width: int) -> Iterator[Unit]:
    channels = width
    for i, count in enumerate(UNITS):
        for j in range(count):
            yield Unit(channels, width * 2**i, 1 if j else 2)
            channels = width * 2**i


def _enlarge(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
