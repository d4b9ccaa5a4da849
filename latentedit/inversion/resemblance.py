"""How like two faces are: the loss of projection, which needs no weights."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LOSS = "multiscale: squared pixels and gradients by octaves, without learned features (no LPIPS weights are at hand)"
LARGEST = 256  # pixels at which images are compared
SMALLEST = 8
GRADIENT_GAIN = 2.0  # of differences of neighbours beside the pixels themselves


def describe(images: Tensor, largest: int = LARGEST) -> Tensor:
    """List pixels and gradients of every octave: [N, 3, R, R] -> [N, F], whose squared distance is the loss.

    Octaves go from `largest` (256 px by default, less where the image is smaller) down to 8 px and
    count alike.
    """
    level, octaves = shrink(images, largest), []
    while level.shape[-1] >= SMALLEST:
        gradients = [GRADIENT_GAIN * level.diff(dim=axis).flatten(1) for axis in (-1, -2)]
        octaves.append(torch.cat([level.flatten(1), *gradients], dim=1) / level[0].numel() ** 0.5)
        level = F.avg_pool2d(level, 2)
    return torch.cat(octaves, dim=1) / math.sqrt(len(octaves))


def compare(images: Tensor, described: Tensor) -> Tensor:
    """Compute the loss of images against what `describe` says of their targets: [N, 3, R, R], [N, F] -> [N]."""
    return (describe(images) - described).square().sum(dim=1)


def shrink(images: Tensor, largest: int) -> Tensor:
    """Average images down by a whole factor until no larger: [N, 3, R, R] -> [N, 3, R', R']."""
    factor = -(-images.shape[-1] // largest)
    return F.avg_pool2d(images, factor) if factor > 1 else images
