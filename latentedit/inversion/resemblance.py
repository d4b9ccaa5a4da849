"""How like two faces are: the loss of projection, which needs no weights, and the figures of a report."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LOSS = "multiscale: squared pixels and gradients by octaves, without learned features (no LPIPS weights are at hand)"
LARGEST = 256  # pixels at which images are compared
SMALLEST = 8
GRADIENT_GAIN = 2.0  # of differences of neighbours beside the pixels themselves
SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of Wang, Simoncelli & Bovik 2003
WINDOW, SIGMA = 11, 1.5  # of SSIM's Gaussian, in pixels


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


def squared_error(images: Tensor, targets: Tensor) -> Tensor:
    """Compute the field's L2, the mean square of differences in [-1, 1]: [N, 3, R, R] twice -> [N]."""
    return (images - targets).square().flatten(1).mean(dim=1)


def ms_ssim(images: Tensor, targets: Tensor) -> Tensor:
    """Compute MS-SSIM (Wang et al. 2003): [N, 3, R, R] in [-1, 1] twice -> [N], 1 for the same image.

    It takes as many of the paper's five scales as hold its window of 11 px, three at 64 px; their
    weights are scaled to sum to one.
    """
    scales = [scale for scale in range(len(SSIM_WEIGHTS)) if images.shape[-1] >> scale >= WINDOW]
    weights = torch.tensor(SSIM_WEIGHTS[: len(scales)])
    result = torch.ones(len(images), device=images.device)
    for scale, weight in zip(scales, (weights / weights.sum()).tolist(), strict=True):
        luminance, contrast = _similarities((images + 1) / 2, (targets + 1) / 2)
        last = luminance if scale == scales[-1] else 1.0
        result = result * (last * contrast).flatten(1).mean(dim=1).clamp(min=0) ** weight
        images, targets = F.avg_pool2d(images, 2), F.avg_pool2d(targets, 2)
    return result


def _similarities(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Compute SSIM's luminance and contrast-structure maps of images in [0, 1]."""
    c1, c2 = 0.01**2, 0.03**2
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * covariance + c2) / (var_x + var_y + c2)


def _blur(x: Tensor) -> Tensor:
    """Weigh neighbours by a Gaussian, without padding: [N, C, H, W] -> [N, C, H - 10, W - 10]."""
    taps = torch.exp(-((torch.arange(WINDOW, device=x.device) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    row = (taps / taps.sum()).expand(x.shape[1], 1, 1, -1)
    return F.conv2d(F.conv2d(x, row, groups=x.shape[1]), row.mT, groups=x.shape[1])
