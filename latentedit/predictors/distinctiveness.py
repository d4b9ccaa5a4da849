"""How far an image lies from the one most like it."""

from __future__ import annotations

import torch
from torch import Tensor

from latentedit.errors import InputError


def nearest_distances(latents: Tensor, chunk: int = 256) -> Tensor:
    """Measure the Euclidean distance of each latent to its nearest neighbour: [N, D] -> [N], N of 2 or more."""
    if latents.ndim != 2 or len(latents) < 2:
        raise InputError(f"latents of shape {list(latents.shape)}: give [N, D] of 2 images or more")
    rows = []
    for start in range(0, len(latents), chunk):
        distances = torch.cdist(latents[start : start + chunk].double(), latents.double())
        own = torch.arange(len(distances))
        distances[own, own + start] = torch.inf
        rows.append(distances.min(dim=1).values)
    return torch.cat(rows)


def distinctiveness(latents: Tensor) -> Tensor:
    """Express nearest distances in standard deviations about their mean: [N, D] -> [N] (Bagheri & Mohsenzadeh 2024)."""
    distances = nearest_distances(latents)
    return (distances - distances.mean()) / distances.std().clamp(min=1e-12)
