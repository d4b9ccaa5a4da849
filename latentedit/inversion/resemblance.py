"""How like two faces are: the losses of projection, of which one needs no weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.errors import InputError
from latentedit.predictors.reconstruction import load_lpips
from latentedit.vocabulary import PROJECTION_LOSSES, ProjectionLoss

PIXELS = "squared pixels and gradients by octaves"
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


def describe_loss(loss: ProjectionLoss) -> str:
    """Say in a line what a loss compares."""
    if loss == "multiscale":
        return f"multiscale: {PIXELS}, without learned features (no LPIPS weights)"
    return f"{loss}: LPIPS (Zhang et al. 2018) with its published weights, and {PIXELS}"


def load_loss(loss: ProjectionLoss, targets: Tensor) -> Callable[[Tensor], Tensor]:
    """Load a loss: targets [N, 3, R, R] -> a function of images [N, 3, R, R] to [N].

    `multiscale` is what `compare` computes; `lpips-squeeze`, `lpips-alex` and `lpips-vgg` add LPIPS of
    images of 256 px at most, and need the package lpips for its weights.
    """
    if loss not in PROJECTION_LOSSES:
        raise InputError(f"loss {loss!r} is not known: choose one of {', '.join(PROJECTION_LOSSES)}")
    if loss == "multiscale":
        described = describe(targets)
        return lambda images: compare(images, described)
    network = load_lpips(loss.removeprefix("lpips-")).to(targets.device)

    def see(images: Tensor) -> Tensor:
        return torch.cat([describe(images), network.describe(shrink(images, LARGEST))], dim=1)

    seen = see(targets)
    return lambda images: (see(images) - seen).square().sum(dim=1)


def compare(images: Tensor, described: Tensor) -> Tensor:
    """Compute the loss of images against what `describe` says of their targets: [N, 3, R, R], [N, F] -> [N]."""
    return (describe(images) - described).square().sum(dim=1)


def shrink(images: Tensor, largest: int) -> Tensor:
    """Average images down by a whole factor until no larger: [N, 3, R, R] -> [N, 3, R', R']."""
    factor = -(-images.shape[-1] // largest)
    return F.avg_pool2d(images, factor) if factor > 1 else images
