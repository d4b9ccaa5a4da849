"""What an assessor measures in a face: oriented gradients (Dalal & Triggs 2005) and colour, differentiable."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

AT_ONCE = 4  # faces: what they are described by on the way stays in the processor's cache
LUMA = (0.299, 0.587, 0.114)  # Rec. 601


@dataclass(frozen=True)
class FeatureConfig:
    """The features of a face as plain numbers."""

    img_resolution: int = 128  # every face is brought to this size first, so that all are described alike
    octaves: int = 2  # gradients are taken at this size, at half of it, and so on
    cells: tuple[int, ...] = (8, 16)  # sides of the cells of oriented gradients, in pixels of the full size
    num_orientations: int = 10  # even, so that mirroring a face permutes them
    contrast_floor: float = 0.2  # a block with less contrast than this is not blown up to full strength
    clip: float = 0.2  # no single edge outvotes its block
    colour_resolution: int = 32

    def __post_init__(self) -> None:
        bounds = {  # a file's settings must not exhaust the memory
            "img_resolution": (4, 2**10),
            "octaves": (1, 8),
            "num_orientations": (2, 2**6),
            "contrast_floor": (0, 2**10),
            "clip": (0, 2**10),
            "colour_resolution": (1, 2**10),
        }
        for name, (least, most) in bounds.items():
            value, is_whole = getattr(self, name), name.endswith(("resolution", "octaves", "orientations"))
            if not isinstance(value, int if is_whole else int | float) or not least <= value <= most:
                raise ValueError(f"{name} is not within {least} and {most}")
        if not all(isinstance(cell, int) and 1 <= cell <= self.img_resolution // 2 for cell in self.cells):
            raise ValueError(f"cells are not sides of 1 to {self.img_resolution // 2} pixels")

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureConfig:
        """Read what `to_dict` wrote, through JSON or not; lists become tuples."""
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**settings)

    @property
    def num_features(self) -> int:
        """The length of all blocks that `face_features` returns, side by side."""
        sides = [self.img_resolution // cell for cell in self.cells]
        gradients = self.octaves * sum(12 * self.num_orientations * (side - 1) ** 2 for side in sides)
        return gradients + 3 * self.colour_resolution**2


class GradientFeatures(nn.Module):
    """Describe faces by their gradients and colours: [N, 3, H, W] -> blocks [N, F]."""

    kind = "gradients"
    symmetric: ClassVar[bool] = False  # a mirrored face has the same features
    sparing: ClassVar[int] = 1  # one in so many faces teaches what to be deaf to: of more, where looking is dear

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GradientFeatures:
        """Make what a header describes."""
        return cls(FeatureConfig.from_dict(values))

    def forward(self, images: Tensor) -> list[Tensor]:
        parts = [face_features(part, self.config) for part in torch.split(images, AT_ONCE)]
        return [torch.cat(block) for block in zip(*parts, strict=True)]


def face_features(images: Tensor, config: FeatureConfig) -> list[Tensor]:
    """Describe faces by gradients, octave by octave and cell by cell, then colour: [N, 3, H, W] -> blocks [N, F]."""
    images = resize(images, config.img_resolution)
    blocks = [block for octave in range(config.octaves) for block in _describe_octave(images, octave, config)]
    return [block.reshape(len(images), -1) for block in [*blocks, resize(images, config.colour_resolution)]]


def _describe_octave(images: Tensor, octave: int, config: FeatureConfig) -> list[Tensor]:
    """Normalise the gradients of images [N, 3, R, R], halved `octave` times, in each size of cells."""
    smaller = resize(images, config.img_resolution >> octave)
    channels = luma_and_chroma(smaller).flatten(0, 1).unsqueeze(1)  # [3 N, 1, R, R]
    gradients = oriented_gradients(channels, config.num_orientations)
    histograms = [resize(gradients, config.img_resolution // cell) for cell in config.cells]
    return [normalize_blocks(cells, config.contrast_floor, config.clip) for cells in histograms]


def luma_and_chroma(images: Tensor) -> Tensor:
    """Separate light from colour, Y, B - Y and R - Y: [N, 3, H, W] -> [N, 3, H, W]."""
    luma = (images * images.new_tensor(LUMA).view(3, 1, 1)).sum(dim=1, keepdim=True)
    return torch.cat([luma, images[:, 2:] - luma, images[:, :1] - luma], dim=1)


def resize(images: Tensor, side: int) -> Tensor:
    """Resample with a triangle filter that antialiases: [N, C, H, W] -> [N, C, side, side]."""
    return F.interpolate(images.contiguous(), size=(side, side), mode="bilinear", antialias=True)


def oriented_gradients(images: Tensor, num_orientations: int) -> Tensor:
    """Split the gradient g by direction, relu(<g, u_k> - |g| cos(2 pi / K)): [N, 1, H, W] -> [N, K, H, W].

    A smooth stand-in for binning by angle, which has no derivative where the image is flat.
    """
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    dx = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    dy = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    length = (dx.square() + dy.square() + 1e-8).sqrt()
    width = 2 * math.pi / num_orientations
    angles = torch.arange(num_orientations, device=images.device, dtype=images.dtype).view(-1, 1, 1) * width
    return (dx * angles.cos() + dy * angles.sin() - length * math.cos(width)).relu() / (1 - math.cos(width))


def normalize_blocks(cells: Tensor, contrast_floor: float, clip: float) -> Tensor:
    """Bring each 2 x 2 cells to length one, clip, and again: [N, K, H, W] -> [N, 4 K, H - 1, W - 1]."""
    blocks = torch.cat([cells[:, :, :-1, :-1], cells[:, :, :-1, 1:], cells[:, :, 1:, :-1], cells[:, :, 1:, 1:]], dim=1)
    for limit in (clip, 1.0):
        length = (blocks.square().sum(dim=1, keepdim=True) + contrast_floor**2).sqrt()
        blocks = (blocks / length).clamp(max=limit)
    return blocks
