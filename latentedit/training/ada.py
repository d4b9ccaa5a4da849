"""Adaptive discriminator augmentation (Karras et al. 2020, "Training GANs with limited data")."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ADJUST_EVERY = 4  # batches
MOST_SHIFT = 1 / 8  # of the side, in whole pixels


class Strength:
    """The probability p of every transformation, steered until E[sign(D(real))] is at `target`.

    p takes `images` images from 0 to 1. Source: section 3, equation 1 (r_t).
    """

    def __init__(self, start: float, target: float, images: int) -> None:
        self.p, self.target, self.images = start, target, images
        self.signs: list[float] = []

    def observe(self, real_logits: Tensor) -> None:
        """Note a batch's logits, and every few batches move p one step: [N]."""
        self.signs.append(float(real_logits.detach().sign().mean()))
        if len(self.signs) == ADJUST_EVERY:
            overfit = sum(self.signs) / ADJUST_EVERY - self.target
            step = len(real_logits) * ADJUST_EVERY / self.images
            self.p = min(max(self.p + math.copysign(step, overfit) * (overfit != 0), 0.0), 1.0)
            self.signs = []

    def state_dict(self) -> dict[str, Any]:
        """Return p and the signs since it last moved."""
        return {"p": self.p, "signs": list(self.signs)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.p, self.signs = state["p"], list(state["signs"])


def augment_adaptively(images: Tensor, p: float) -> Tensor:
    """Blit, warp and recolour, each transformation with probability p: [N, 3, R, R] -> same, differentiable.

    The paper's set "bgc" (appendix B); quarter turns are left out, since the free rotation covers them.
    """
    if p == 0:
        return images
    n, side = len(images), images.shape[-1]
    maps, colours = draw_maps(n, p, side), draw_colours(n, p)
    moved = (maps != torch.eye(3)).any(dim=2).any(dim=1).nonzero().squeeze(1).to(images.device)
    if len(moved):
        images = images.index_copy(0, moved, warp(images[moved], maps.to(images.device)[moved]))
    return recolour(images, colours.to(images.device))


def draw_maps(n: int, p: float, side: int) -> Tensor:
    """Draw affine maps from an output's coordinates to the input's, both -1 to 1 across: -> [N, 3, 3]."""
    one, zero = torch.ones(n), torch.zeros(n)
    flip = _perhaps(p, 1 - 2.0 * torch.randint(2, [n]), one)
    most = round(side * MOST_SHIFT)
    steps = [_perhaps(p, torch.randint(-most, most + 1, [n]) * (2 / side), zero) for _ in range(2)]
    size = _perhaps(p, 2 ** (0.2 * torch.randn(n)), one)
    stretch = _perhaps(p, 2 ** (0.2 * torch.randn(n)), one)
    turns = [_perhaps(1 - math.sqrt(1 - p), (2 * torch.rand(n) - 1) * math.pi, zero) for _ in range(2)]  # either: p
    glide = [_perhaps(p, 0.125 * 2 * torch.randn(n), zero) for _ in range(2)]
    blit = scaling(flip, one) @ translation(*steps)
    geometry = scaling(size, size) @ rotation(turns[0]) @ scaling(stretch, 1 / stretch) @ rotation(turns[1])
    return blit @ geometry @ translation(*glide)


def draw_colours(n: int, p: float) -> Tensor:
    """Draw affine maps of colours (r, g, b, 1): brightness, contrast, luma flip, hue, saturation -> [N, 4, 4]."""
    one, zero = torch.ones(n), torch.zeros(n)
    brightness = _perhaps(p, 0.2 * torch.randn(n), zero)
    contrast = _perhaps(p, 2 ** (0.5 * torch.randn(n)), one)
    luma = _perhaps(p, 1 - 2.0 * torch.randint(2, [n]), one)
    hue = _perhaps(p, (2 * torch.rand(n) - 1) * math.pi, zero)
    saturation = _perhaps(p, 2 ** torch.randn(n), one)
    light = along_grey(contrast * luma, contrast * saturation, hue)
    light[:, :3, 3] = light[:, :3, :3].sum(dim=2) * brightness[:, None]  # brightness comes first
    return light


def warp(images: Tensor, maps: Tensor) -> Tensor:
    """Resample where each map leads, bicubically, mirrored at the border: [N, C, R, R], [N, 3, 3] -> [N, C, R, R].

    An image that is made smaller is blurred beforehand, so that it does not alias (Williams 1983).
    """
    shrinkage = torch.linalg.matrix_norm(maps[:, :2, :2], ord=2) - 1  # input pixels an output pixel, beyond one
    images = images.lerp(blur(images), shrinkage.clamp(0, 1).view(-1, 1, 1, 1)).contiguous()
    grid = F.affine_grid(maps[:, :2], list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False)


def blur(images: Tensor) -> Tensor:
    """Filter rows and columns by (1, 2, 1) / 4, mirrored at the border: [N, C, H, W] -> same."""
    x = F.pad(images, (1, 1, 1, 1), mode="reflect")
    x = x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]
    return (x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]) / 16


def recolour(images: Tensor, colours: Tensor) -> Tensor:
    """Map every pixel's colour: [N, 3, H, W], [N, 4, 4] -> [N, 3, H, W]."""
    pixels = torch.baddbmm(colours[:, :3, 3:], colours[:, :3, :3], images.flatten(2))
    return pixels.view_as(images)


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """Make diag(x, y, 1): two [N] -> [N, 3, 3]."""
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], dim=1))


def translation(x: Tensor, y: Tensor) -> Tensor:
    """Make the map that adds (x, y): two [N] -> [N, 3, 3]."""
    maps = torch.eye(3).repeat(len(x), 1, 1)
    maps[:, :2, 2] = torch.stack([x, y], dim=1)
    return maps


def rotation(angle: Tensor) -> Tensor:
    """Make the map that turns (1, 0) towards (0, 1) by `angle` radians: [N] -> [N, 3, 3]."""
    maps = torch.eye(3).repeat(len(angle), 1, 1)
    maps[:, :2, :2] = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    return maps


def along_grey(grey: Tensor, chroma: Tensor, hue: Tensor) -> Tensor:
    """Scale colours along the grey axis, scale and turn them about it by `hue` radians: [N] each -> [N, 4, 4]."""
    axis = torch.full([3, 3], 1 / 3)  # v v', v = (1, 1, 1) / sqrt(3)
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    cos, sin, grey, chroma = (factor.view(-1, 1, 1) for factor in (hue.cos(), hue.sin(), grey, chroma))
    maps = torch.eye(4).repeat(len(hue), 1, 1)
    maps[:, :3, :3] = grey * axis + chroma * (cos * (torch.eye(3) - axis) + sin * cross)  # Rodrigues
    return maps


def _perhaps(p: float, drawn: Tensor, neutral: Tensor) -> Tensor:
    """Take what was drawn with probability p: [N], [N] -> [N]."""
    return torch.where(torch.rand(len(drawn)) < p, drawn, neutral)
