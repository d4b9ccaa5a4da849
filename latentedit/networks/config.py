"""What a generator looks like, as plain numbers."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any, ClassVar, NamedTuple, Self

MAX_TAPS = 64  # a longer filter is a mistake, or a trap for the memory


class StyleLayer(NamedTuple):
    """A layer of StyleSpace: where its style stands among all styles side by side."""

    name: str  # of the module whose affine makes it, such as b32.conv1
    start: int
    width: int
    row: int  # of ws, that feeds its affine


@dataclass(frozen=True)
class NetworkConfig:
    """What StyleGAN2 and StyleGAN3 have in common, in NVIDIA's words."""

    architecture: ClassVar[str]

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
    num_fp16_res: int = 0  # how many of the highest resolutions a GPU holds in half precision

    def __post_init__(self) -> None:
        log2 = math.log2(self.img_resolution) if self.img_resolution >= 4 else 0.0
        if log2 < 2 or log2 != int(log2):
            raise ValueError(f"img_resolution {self.img_resolution} is not a power of two from 4 on")
        if min(self.channels, default=1) < 1:
            raise ValueError(f"channel widths {list(self.channels)[:20]}: each needs one channel or more")
        if not 0 < self.lr_multiplier < math.inf or not 0 < (self.conv_clamp or 1) < math.inf:
            raise ValueError(f"lr_multiplier {self.lr_multiplier} and conv_clamp {self.conv_clamp} must be positive")
        if self.num_fp16_res not in range(65):
            raise ValueError(f"num_fp16_res {self.num_fp16_res} is no number of resolutions")

    @property
    def num_ws(self) -> int:
        """How many rows of ws synthesis eats."""
        raise NotImplementedError

    @property
    def affines(self) -> list[tuple[str, int, int]]:
        """List the layers that have a style, in the order of synthesis: name, width, row of ws."""
        raise NotImplementedError

    @property
    def style_layers(self) -> tuple[StyleLayer, ...]:
        """Lay the styles of all layers side by side, in the order of synthesis."""
        names, widths, rows = zip(*self.affines, strict=True)
        starts = accumulate((0, *widths[:-1]))
        return tuple(map(StyleLayer, names, starts, widths, rows))

    @property
    def num_styles(self) -> int:
        """How many style channels all layers have together."""
        return sum(width for _, width, _ in self.affines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, fit for JSON."""
        return {"architecture": self.architecture, **asdict(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote, through JSON or not; lists become tuples."""
        known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        architecture = known.pop("architecture", "stylegan2")  # all that the first files held
        if architecture != cls.architecture:
            raise ValueError(f"architecture {architecture!r} is not {cls.architecture!r}")
        return cls(**known)


@dataclass(frozen=True)
class GeneratorConfig(NetworkConfig):
    """The shape of a StyleGAN2 generator (skip architecture).

    `channels` lists the width of every block from 4 x 4 up to `img_resolution`.
    """

    architecture: ClassVar[str] = "stylegan2"
    resample_filter: tuple[float, ...] = (1, 3, 3, 1)
    use_noise: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.channels) != len(self.resolutions):
            raise ValueError(
                f"{len(self.channels)} channel widths for {len(self.resolutions)} blocks "
                f"({self.resolutions[0]} to {self.resolutions[-1]} px): give one a block"
            )
        if not 1 <= len(self.resample_filter) <= MAX_TAPS or not 0 < abs(sum(self.resample_filter)) < math.inf:
            raise ValueError(f"resample_filter: 1 to {MAX_TAPS} finite taps are needed, of non-zero sum")

    @property
    def resolutions(self) -> list[int]:
        """The side of every block in pixels: 4, 8, ..., img_resolution."""
        return [2**i for i in range(2, int(math.log2(self.img_resolution)) + 1)]

    def is_half(self, resolution: int) -> bool:
        """Tell whether a GPU holds this block in half precision: one of the `num_fp16_res` highest, 8 px at least.

        Without a `conv_clamp` nothing bounds the feature maps: then none is.
        """
        return (
            self.conv_clamp is not None and resolution >= 8 and resolution * 2**self.num_fp16_res > self.img_resolution
        )

    @property
    def num_ws(self) -> int:
        """How many rows of ws synthesis eats: 2 log2(img_resolution) - 2."""
        return 2 * len(self.resolutions)

    @property
    def affines(self) -> list[tuple[str, int, int]]:
        """List the layers that have a style, as Wu et al. 2021 count them: name, width, row of ws."""
        found: list[tuple[str, int, int]] = []
        below, row = 0, 0  # of the block's first layer
        for resolution, width in zip(self.resolutions, self.channels, strict=True):
            conv0 = [(f"b{resolution}.conv0", below, row)] if below else []
            row += len(conv0)
            found += [*conv0, (f"b{resolution}.conv1", width, row), (f"b{resolution}.torgb", width, row + 1)]
            below, row = width, row + 1  # torgb shares its row with the next conv0
        return found


def block_channels(img_resolution: int, channel_base: int, channel_max: int) -> tuple[int, ...]:
    """Give NVIDIA's widths min(channel_base // resolution, channel_max), one a block."""
    count = int(math.log2(img_resolution)) - 1
    return tuple(min(channel_base // 2 ** (i + 2), channel_max) for i in range(count))


@dataclass(frozen=True)
class Band:
    """The signal that a StyleGAN3 layer emits: frequencies in cycles per image width, its canvas in pixels."""

    sampling_rate: int
    cutoff: float
    half_width: float  # of the transition around the cutoff
    size: int  # the image and the margin around it


@dataclass(frozen=True)
class StyleGAN3Config(NetworkConfig):
    """The shape of a StyleGAN3 generator (Karras et al. 2021, section 3.2).

    `channels` lists the width of every layer but the last, which makes the image. The defaults are
    those of StyleGAN3-T; -R has conv_kernel 1 and use_radial_filters, and twice the channels.
    """

    architecture: ClassVar[str] = "stylegan3"
    num_mapping_layers: int = 2
    conv_clamp: float | None = 256.0
    conv_kernel: int = 3
    use_radial_filters: bool = False
    num_critical: int = 2  # layers at the end without a transition band of their own
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3  # to the last cutoff
    margin_size: int = 10
    output_scale: float = 0.25
    filter_size: int = 6  # taps per sample of the lower rate
    lrelu_upsampling: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        bounds = {  # a file's settings must not exhaust the memory
            "num_layers": (1, 64),
            "img_resolution": (8, 2**13),
            "num_critical": (0, self.num_layers - 1),  # cutoffs grow over the other layers, one at least
            "first_cutoff": (2**-10, self.img_resolution / 2),
            "first_stopband": (1, 2**16),
            "last_stopband_rel": (1, 2**10),
            "output_scale": (-(2**16), 2**16),
            "margin_size": (0, 2**10),
            "filter_size": (1, 32),
            "lrelu_upsampling": (1, 8),
        }
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} {getattr(self, name)} is not within {least:g} and {most:g}")
        if self.conv_kernel % 2 == 0:
            raise ValueError(f"conv_kernel {self.conv_kernel} is even")
        if min(band.half_width for band in self.bands) <= 0:
            raise ValueError("a stopband lies below its cutoff")

    @property
    def num_layers(self) -> int:
        """How many layers come before the one that makes the image."""
        return len(self.channels)

    @property
    def num_ws(self) -> int:
        """How many rows of ws synthesis eats: one for the Fourier features, one a layer."""
        return self.num_layers + 2

    @property
    def bands(self) -> list[Band]:
        """The band of every layer, the last included: cutoffs and stopbands grow geometrically (section 3.2)."""
        return [self._band(i) for i in range(self.num_layers + 1)]

    def _band(self, i: int) -> Band:
        last_cutoff = self.img_resolution / 2
        last_stopband = last_cutoff * self.last_stopband_rel
        exponent = min(i / (self.num_layers - self.num_critical), 1)
        cutoff = self.first_cutoff * (last_cutoff / self.first_cutoff) ** exponent
        stopband = self.first_stopband * (last_stopband / self.first_stopband) ** exponent
        rate = 2 ** math.ceil(math.log2(min(stopband * 2, self.img_resolution)))
        size = self.img_resolution if i >= self.num_layers - 1 else rate + 2 * self.margin_size
        return Band(rate, cutoff, max(stopband, rate / 2) - cutoff, size)

    @property
    def affines(self) -> list[tuple[str, int, int]]:
        """List the layers that have a style, the input's pose (cos, sin, x, y) first: name, width, row of ws."""
        widths = [self.channels[0], *self.channels]
        layers = [(name, widths[i], i + 1) for i, name in enumerate(self.layer_names)]
        return [("input", 4, 0), *layers]

    @property
    def layer_names(self) -> list[str]:
        """NVIDIA's names, which tell the canvas and the width: L0_36_512, L1_36_512, ..."""
        widths = [*self.channels, self.img_channels]
        return [f"L{i}_{band.size}_{widths[i]}" for i, band in enumerate(self.bands)]


def band_channels(config: StyleGAN3Config, channel_base: int, channel_max: int) -> tuple[int, ...]:
    """Give NVIDIA's widths min(channel_base / (2 cutoff), channel_max), one a layer but the last."""
    return tuple(round(min(channel_base / 2 / band.cutoff, channel_max)) for band in config.bands[:-1])


AnyConfig = GeneratorConfig | StyleGAN3Config


def read_config(values: dict[str, Any]) -> AnyConfig:
    """Read what any config's `to_dict` wrote."""
    if values.get("architecture") == StyleGAN3Config.architecture:
        return StyleGAN3Config.from_dict(values)
    return GeneratorConfig.from_dict(values)
