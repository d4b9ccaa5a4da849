"""Structural similarity: how alike two images are in brightness, contrast and structure, window by window."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, the finest first
WINDOW, SPREAD = 11, 1.5  # pixels
LUMINANCE, CONTRAST = 0.01**2, 0.03**2  # of a range of 1


def ssim(before: Tensor, after: Tensor) -> Tensor:
    """Compute the structural similarity, 1 for equal images: two [N, C, H, W] in [-1, 1] -> [N].

    Source: Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity".
    """
    luminance, structure = _compare_windows((before + 1) / 2, (after + 1) / 2)
    return (luminance * structure).mean(dim=[1, 2, 3])


def ms_ssim(before: Tensor, after: Tensor) -> Tensor:
    """Compute the multi-scale structural similarity, 1 for equal images: two [N, C, H, W] in [-1, 1] -> [N].

    Of the five scales those are left out at which the window of 11 px no longer fits, and the
    weights of the rest are brought to a sum of 1. Source: Wang et al. 2003, "Multi-scale structural
    similarity for image quality assessment", equation 7.
    """
    x, y = (before + 1) / 2, (after + 1) / 2
    num_scales = count_scales(min(x.shape[-2:]))
    weights = x.new_tensor(WEIGHTS[:num_scales])
    scales = []
    for i in range(num_scales):
        luminance, structure = _compare_windows(x, y)
        similar = structure * luminance if i == num_scales - 1 else structure
        scales.append(similar.mean(dim=[1, 2, 3]))
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    means = torch.stack(scales, dim=1).clamp_min(0)
    return means.pow(weights / weights.sum()).prod(dim=1)


def count_scales(side: int) -> int:
    """Count the scales at which the window fits into an image of a side in pixels: -> 1 to 5."""
    return max(1, min(len(WEIGHTS), (side // WINDOW).bit_length()))


def _compare_windows(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Compare brightness, and contrast and structure, window by window: [N, C, H, W] in [0, 1] -> two maps."""
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x.square(), _blur(y * y) - mean_y.square()
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + LUMINANCE) / (mean_x.square() + mean_y.square() + LUMINANCE)
    return luminance, (2 * covariance + CONTRAST) / (var_x + var_y + CONTRAST)


def _blur(images: Tensor) -> Tensor:
    """Average under a Gaussian window, only where it lies inside: [N, C, H, W] -> [N, C, H - 10, W - 10]."""
    side = min(WINDOW, *images.shape[-2:])
    x = torch.arange(side, dtype=images.dtype, device=images.device) - (side - 1) / 2
    window = torch.softmax(-(x**2) / (2 * SPREAD**2), dim=0)
    flat = images.flatten(0, 1)[:, None]
    blurred = F.conv2d(F.conv2d(flat, window.view(1, 1, 1, -1)), window.view(1, 1, -1, 1))
    return blurred.reshape(*images.shape[:2], *blurred.shape[-2:])
