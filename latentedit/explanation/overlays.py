"""Maps over their images: as a heat map, the outline of what counts most, or all else dimmed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.errors import InputError
from latentedit.vocabulary import OVERLAYS, Overlay

RAISES, LOWERS = (0.78, 0.08, 0.16), (0.08, 0.32, 0.78)  # red and blue in [0, 1]
TOP = 0.1  # share of the pixels inside an outline
SIDE = 256  # pixels: smaller images are enlarged
SATURATION = 0.99  # quantile of the sizes that takes the full colour


def overlay(images: Tensor, maps: Tensor, style: Overlay = "heat") -> Tensor:
    """Lay maps over images: [N, 3, H, W] in [-1, 1], [N, H, W] -> [N, 3, H', W'] in [-1, 1], 256 px wide at least.

    `heat`: what raises the score red, what lowers it blue, over the image in grey. `contour`: lines around the tenth
    of the image that raises and the one that lowers it most. `mask`: all but those dimmed.
    """
    if style not in OVERLAYS:
        raise InputError(f"overlay {style!r} is not known: choose one of {', '.join(OVERLAYS)}")
    images, maps = _enlarge(images.cpu()), _enlarge(maps.cpu()[:, None])[:, 0]
    if style == "heat":
        return _tint(images, maps)
    raises, lowers = _find_top(maps), _find_top(-maps)
    if style == "mask":
        return torch.where((raises | lowers)[:, None], images, 0.25 * images - 0.7)
    lined = _draw(images, _outline(lowers), LOWERS)
    return _draw(lined, _outline(raises), RAISES)


def _enlarge(images: Tensor) -> Tensor:
    if images.shape[-1] >= SIDE:
        return images
    height = round(images.shape[-2] * SIDE / images.shape[-1])
    return F.interpolate(images.float(), (height, SIDE), mode="bilinear", align_corners=False)


def _tint(images: Tensor, maps: Tensor) -> Tensor:
    """Mix grey images with the colour of each sign, the more the larger."""
    sizes = maps.abs().flatten(1)
    most = sizes.quantile(SATURATION, dim=1).clamp(min=1e-12)[:, None, None]
    strength = (maps.abs() / most).clamp(max=1)[:, None] * 0.85
    colours = torch.where(maps[:, None] > 0, _colour(RAISES), _colour(LOWERS))
    grey = images.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1) * 0.8 + 0.15
    return (grey * (1 - strength) + colours * strength).clamp(-1, 1)


def _find_top(maps: Tensor) -> Tensor:
    """Mark the pixels that stand highest above zero, a tenth at most: [N, H, W] -> bool [N, H, W]."""
    reach = maps.shape[-1] // 24
    smooth = F.avg_pool2d(maps[:, None], 2 * reach + 1, stride=1, padding=reach)[:, 0]
    least = smooth.flatten(1).quantile(1 - TOP, dim=1)[:, None, None].clamp(min=0)
    return smooth > least


def _outline(inside: Tensor) -> Tensor:
    """Mark the edge of a region: bool [N, H, W] -> bool [N, H, W]."""
    wide = F.max_pool2d(inside[:, None].float(), 3, stride=1, padding=1)[:, 0] > 0
    return wide & ~inside


def _draw(images: Tensor, where: Tensor, colour: tuple[float, float, float]) -> Tensor:
    return torch.where(where[:, None], _colour(colour), images)


def _colour(colour: tuple[float, float, float]) -> Tensor:
    return torch.tensor(colour)[:, None, None] * 2 - 1
