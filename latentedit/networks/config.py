"""What a StyleGAN2 generator looks like, as plain numbers."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

MAX_TAPS = 64  # a longer filter is a mistake, or a trap for the memory


@dataclass(frozen=True)
class GeneratorConfig:
    """The shape of a StyleGAN2 generator (skip architecture), in NVIDIA's words.

    `channels` lists the width of every block from 4 x 4 up to `img_resolution`.
    """

    img_resolution: int
    channels: tuple[int, ...]
    z_dim: int = 512
    c_dim: int = 0
    w_dim: int = 512
    img_channels: int = 3
    num_mapping_layers: int = 8
    embed_features: int | None = None  # default: w_dim
    layer_features: int | None = None  # default: w_dim
    lr_multiplier: float = 0.01
    w_avg_beta: float = 0.998
    conv_clamp: float | None = None
    resample_filter: tuple[float, ...] = (1, 3, 3, 1)
    use_noise: bool = True

    def __post_init__(self) -> None:
        log2 = math.log2(self.img_resolution) if self.img_resolution >= 4 else 0.0
        if log2 < 2 or log2 != int(log2):
            raise ValueError(f"img_resolution {self.img_resolution} is not a power of two from 4 on")
        if len(self.channels) != len(self.resolutions):
            raise ValueError(
                f"{len(self.channels)} channel widths for {len(self.resolutions)} blocks "
                f"({self.resolutions[0]} to {self.resolutions[-1]} px): give one a block"
            )
        if min(self.channels, default=0) < 1:
            raise ValueError(f"channel widths {list(self.channels)}: each block needs one channel or more")
        if not 1 <= len(self.resample_filter) <= MAX_TAPS or not 0 < abs(sum(self.resample_filter)) < math.inf:
            raise ValueError(f"resample_filter: 1 to {MAX_TAPS} finite taps are needed, of non-zero sum")
        if not 0 < self.lr_multiplier < math.inf or not 0 < (self.conv_clamp or 1) < math.inf:
            raise ValueError(f"lr_multiplier {self.lr_multiplier} and conv_clamp {self.conv_clamp} must be positive")

    @property
    def resolutions(self) -> list[int]:
        """The side of every block in pixels: 4, 8, ..., img_resolution."""
        return [2**i for i in range(2, int(math.log2(self.img_resolution)) + 1)]

    @property
    def num_ws(self) -> int:
        """How many rows of ws synthesis eats: 2 log2(img_resolution) - 2."""
        return 2 * len(self.resolutions)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GeneratorConfig:
        """Read what `to_dict` wrote, through JSON or not; lists become tuples."""
        known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**known)


def block_channels(img_resolution: int, channel_base: int, channel_max: int) -> tuple[int, ...]:
    """Give NVIDIA's widths min(channel_base // resolution, channel_max), one a block."""
    count = int(math.log2(img_resolution)) - 1
    return tuple(min(channel_base // 2 ** (i + 2), channel_max) for i in range(count))
