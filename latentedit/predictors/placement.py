"""Where a face lies in its frame, and bringing it back, so that scores do not hang on how it was cropped."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentedit.predictors.features import FeatureConfig, GradientFeatures, resize

COARSE = FeatureConfig(img_resolution=64, octaves=1, cells=(8,), colour_resolution=16)
FRAME = 256  # pixels: every face is brought to this size first, and offsets are counted in these pixels
FARTHEST = 16.0  # pixels of FRAME: what lies farther off is no face that this was made for


class Placement(nn.Module):
    """Tell how far to the right and down faces lie, in pixels of 256: [N, 3, H, W] in [-1, 1] -> float64 [N, 2].

    That is linear in their coarse gradients and colours, and 0 where the training faces lie.
    """

    center: Tensor
    weight: Tensor

    def __init__(self, config: FeatureConfig, center: Tensor, weight: Tensor) -> None:
        super().__init__()
        if center.shape != (config.num_features,) or weight.shape != (config.num_features, 2):
            raise ValueError("a placement of other shapes")
        self.config, self.features = config, GradientFeatures(config)
        self.register_buffer("center", center)
        self.register_buffer("weight", weight)

    def forward(self, images: Tensor) -> Tensor:
        described = torch.cat(self.features(images), dim=1).double()
        offsets: Tensor = (described - self.center) @ self.weight.double()
        return offsets.clamp(-FARTHEST, FARTHEST)

    def bring_back(self, images: Tensor) -> Tensor:
        """Move faces to where the training faces lie: [N, 3, H, W] -> [N, 3, 256, 256]."""
        return move(_rescale(images), -self(images))


def _rescale(images: Tensor) -> Tensor:
    """Bring faces to one size: [N, 3, H, W] -> [N, 3, 256, 256]."""
    if min(images.shape[-2:]) < FRAME:  # a triangle filter would blur small ones, which moves scores
        return F.interpolate(images, size=(FRAME, FRAME), mode="bicubic")
    return resize(images, FRAME)


def move(images: Tensor, offsets: Tensor) -> Tensor:
    """Move each face by pixels of 256 to the right and down, between pixels too: [N, 3, R, R], [N, 2] -> same."""
    maps = torch.eye(2, 3, device=images.device).repeat(len(images), 1, 1)
    maps[:, :, 2] = -2 / FRAME * offsets.to(images.dtype)
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, "bicubic", padding_mode="border", align_corners=False)
