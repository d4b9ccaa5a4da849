"""Learning, from copies of faces that were moved, where in its frame a face lies."""

from __future__ import annotations

import torch
from torch import Tensor

from latentedit.photographs import to_images
from latentedit.predictors.features import FeatureConfig, GradientFeatures
from latentedit.predictors.placement import COARSE, Placement
from latentedit.training.description import CHUNK
from latentedit.training.views import shift

COPIES, FARTHEST = 5, 8  # of each face; pixels of a face 256 px wide
PENALTY = 0.1  # of the ridge regression, in units of the features' mean variance


@torch.no_grad()
def learn_placement(images: Tensor, config: FeatureConfig = COARSE, seed: int = 0) -> Placement:
    """Fit how far faces were moved to what they look like then: uint8 [N, 3, 256, 256] -> Placement.

    Every copy is shown beside its mirror image, moved the other way, so that both are brought back alike.
    """
    features, random = GradientFeatures(config), torch.Generator().manual_seed(seed)
    described, offsets = [], []
    for chunk in torch.split(images.repeat(COPIES, 1, 1, 1), CHUNK):
        drawn = torch.randint(-FARTHEST, FARTHEST + 1, (len(chunk), 2), generator=random)
        moved = _shift_each(to_images(chunk), drawn)
        described += [torch.cat(features(look), dim=1) for look in (moved, moved.flip(-1))]
        offsets += [drawn, drawn * drawn.new_tensor([-1, 1])]
    x, y = torch.cat(described).double(), torch.cat(offsets).double()
    center, x = x.mean(dim=0), x - x.mean(dim=0)
    inner = x.t() @ x
    inner.diagonal().add_(PENALTY * inner.diagonal().mean())
    return Placement(config, center.float(), torch.linalg.solve(inner, x.t() @ y).float())


def _shift_each(images: Tensor, offsets: Tensor) -> Tensor:
    """Move each face by its own whole pixels: [N, 3, H, W], [N, 2] -> [N, 3, H, W]."""
    moves = zip(images, offsets.tolist(), strict=True)
    return torch.stack([shift(right, down)(image[None])[0] for image, (right, down) in moves])
