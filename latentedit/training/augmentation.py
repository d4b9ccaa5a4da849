"""Differentiable augmentation, so that a small data set can train a GAN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(images: Tensor) -> Tensor:
    """Change colour, shift and cut out a square, per image: [N, 3, R, R] -> same, differentiable.

    Real and rendered images go through it alike, so the generator learns the unchanged ones.
    Source: Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN training".
    """
    return cut_out(shift(change_colour(images)))


def change_colour(images: Tensor) -> Tensor:
    """Draw brightness in +-0.5, saturation in 0 to 2 and contrast in 0.5 to 1.5: [N, C, R, R] -> same."""
    brightness, saturation, contrast = torch.rand(3, len(images), 1, 1, 1).to(images.device)
    images = images + (brightness - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * (saturation * 2)
    mean = images.mean(dim=[1, 2, 3], keepdim=True)
    changed: Tensor = mean + (images - mean) * (contrast + 0.5)
    return changed


def shift(images: Tensor, share: float = 1 / 8) -> Tensor:
    """Shift by up to `share` of the side, zeros entering: [N, C, R, R] -> same."""
    most = round(images.shape[-1] * share)
    offsets = torch.randint(-most, most + 1, [len(images), 2]).tolist()
    rows = [F.pad(image, (dx, -dx, dy, -dy)) for image, (dx, dy) in zip(images, offsets, strict=True)]
    return torch.stack(rows)


def cut_out(images: Tensor, share: float = 1 / 2) -> Tensor:
    """Blank a square whose side is `share` of the image's, centred anywhere: [N, C, R, R] -> same."""
    side = images.shape[-1]
    centre = torch.randint(side + 1, [2, len(images), 1]).to(images.device)
    inside = (torch.arange(side, device=images.device) + 0.5 - centre).abs() < side * share / 2  # [2, N, R]
    square = inside[0][:, :, None] & inside[1][:, None, :]
    outside: Tensor = ~square[:, None]
    return images * outside
