"""The noise maps of a projection, kept white so that they can't draw the face (Karras et al. 2020, appendix D)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.networks import Generator

SMALLEST = 8  # pixels


def own_noise(generator: Generator, count: int) -> dict[str, Tensor]:
    """Copy the map of every layer that adds noise for every face: -> [count, 1, R, R] by the buffer's name."""
    buffers = generator.synthesis.named_buffers()
    return {name: noise.repeat(count, 1, 1, 1) for name, noise in buffers if name.endswith("noise_const")}


def colouring(maps: dict[str, Tensor]) -> Tensor:
    """Sum the squared correlations with neighbours, over all octaves of all maps: -> scalar, 0 for white noise."""
    total = torch.zeros([])
    for noise in maps.values():
        octave = noise
        while octave.shape[-1] >= SMALLEST:
            for axis in (2, 3):
                total = total + (octave * octave.roll(1, dims=axis)).mean(dim=(1, 2, 3)).square().sum()
            octave = F.avg_pool2d(octave, 2) * 2  # of white noise this is white noise too
    return total


@torch.no_grad()
def normalise(maps: dict[str, Tensor]) -> None:
    """Bring every map to mean 0 and variance 1."""
    for noise in maps.values():
        noise -= noise.mean(dim=(2, 3), keepdim=True)
        noise *= noise.square().mean(dim=(2, 3), keepdim=True).clamp(min=1e-12).rsqrt()
