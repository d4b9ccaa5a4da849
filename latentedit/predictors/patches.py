"""What a second assessor measures in a face: how like learned patches it is, region by region (Coates & Ng 2011)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentedit.predictors.features import resize


@dataclass(frozen=True)
class PatchConfig:
    """The features of a face as plain numbers."""

    img_resolution: int = 64  # every face is brought to this size first
    patch: int = 6  # side of a patch in pixels
    stride: int = 2  # divides img_resolution - patch, so that mirroring a face permutes its patches
    regions: int = 10  # responses are averaged over regions x regions of the face
    num_filters: int = 128  # each beside its mirror image, each with both signs
    contrast_floor: float = 0.1  # a patch with less contrast than this is not blown up to full strength
    threshold: float = 0.5  # responses below it count as none

    def __post_init__(self) -> None:
        sides = {"img_resolution": 2**10, "patch": 2**6, "stride": 2**6, "regions": 2**6, "num_filters": 2**12}
        for name, most in sides.items():  # a file's settings must not exhaust the memory
            if not isinstance(getattr(self, name), int) or not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is not within 1 and {most}")
        if self.patch > self.img_resolution or (self.img_resolution - self.patch) % self.stride:
            raise ValueError(f"patches of {self.patch} px, {self.stride} px apart, don't cover the face evenly")

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, fit for JSON."""
        return asdict(self)

    @property
    def num_features(self) -> int:
        """The length of what `PatchFeatures` returns for one face."""
        return 4 * self.num_filters * self.regions**2


class PatchFeatures(nn.Module):
    """Describe faces by their likeness to learned patches: [N, 3, H, W] -> one block [N, num_features].

    One face at a time: the rounding of a matrix product depends on its size.
    """

    kind = "patches"
    symmetric: ClassVar[bool] = False
    sparing: ClassVar[int] = 1
    filters: Tensor
    center: Tensor

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("filters", torch.zeros(config.num_filters, 3, config.patch, config.patch))
        self.register_buffer("center", torch.zeros(3, config.patch, config.patch))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PatchFeatures:
        """Make what a header describes; the filters are still to be loaded."""
        return cls(PatchConfig(**values))

    def forward(self, images: Tensor) -> list[Tensor]:
        return [
            torch.cat([self._describe(face) for face in torch.split(resize(images, self.config.img_resolution), 1)])
        ]

    def _describe(self, face: Tensor) -> Tensor:
        """Threshold the responses of both signs and average them by region: [1, 3, R, R] -> [1, num_features]."""
        both = torch.cat([self.filters, self.filters.flip(-1)]).flatten(1)
        patches = extract_patches(face, self.config) - self.center.flatten()
        responses = patches @ both.t()  # [1, L, 2 K]
        active = torch.cat([responses - self.config.threshold, -responses - self.config.threshold], dim=2).relu()
        side = round(active.shape[1] ** 0.5)
        maps = active.transpose(1, 2).reshape(1, -1, side, side)
        return F.adaptive_avg_pool2d(maps, self.config.regions).flatten(1)


def extract_patches(images: Tensor, config: PatchConfig) -> Tensor:
    """Cut out patches, each brought to mean 0 and about unit contrast: [N, 3, R, R] -> [N, L, 3 P P]."""
    patches = F.unfold(images, config.patch, stride=config.stride).transpose(1, 2)
    centered = patches - patches.mean(dim=2, keepdim=True)
    variance = centered.square().mean(dim=2, keepdim=True)
    return centered / (variance + config.contrast_floor**2).sqrt()
