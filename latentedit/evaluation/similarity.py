"""How alike an edited face and the face before are, and a set of edited faces and one that nobody edited."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.predictors.features import FeatureConfig, face_features, resize
from latentedit.predictors.structure import ms_ssim as ms_ssim

Similarity = Callable[[Tensor, Tensor], Tensor]
"""From images before and after [N, 3, H, W] in [-1, 1] to a number for each [N]."""

COARSE = FeatureConfig(img_resolution=64, octaves=1, cells=(16,), num_orientations=4, colour_resolution=6)


def cosine_of(embed: Callable[[Tensor], Tensor]) -> Similarity:
    """Compare faces by the cosine of any embedding, images [N, 3, H, W] -> [N, D]: 1 for the same face."""

    def compare(before: Tensor, after: Tensor) -> Tensor:
        return F.cosine_similarity(embed(before), embed(after), dim=1)

    return compare


def describe_coarsely(images: Tensor) -> Tensor:
    """Describe faces by gradients and colours in a coarse grid, few numbers for few faces: [N, 3, H, W] -> [N, 540]."""
    return torch.cat(face_features(resize(images, COARSE.img_resolution), COARSE), dim=1)
