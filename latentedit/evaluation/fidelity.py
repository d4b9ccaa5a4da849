"""How well an inversion shows its photograph, and how far its latents lie from the population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from latentedit.evaluation.similarity import Similarity, ms_ssim
from latentedit.inversion.coordinates import measure_axes
from latentedit.networks import Generator
from latentedit.rendering import render, render_styles


@dataclass(frozen=True, eq=False)
class Fidelity:
    """Renderings [N, 3, R, R] of inversions, and [N] figures of each."""

    images: Tensor
    l2: Tensor  # mean square of differences in [-1, 1]
    ms_ssim: Tensor
    distance: Tensor | None  # of ws: root mean square of principal coordinates, about 1 where samples lie
    others: Mapping[str, Tensor] = field(default_factory=dict)  # as networks see it, by name

    def describe(self, row: int) -> dict[str, float | None]:
        """Return one photograph's figures, fit for JSON."""
        distance = None if self.distance is None else float(self.distance[row])
        figures = {"l2": float(self.l2[row]), "ms_ssim": float(self.ms_ssim[row]), "distance": distance}
        return figures | {name: float(values[row]) for name, values in self.others.items()}


@torch.no_grad()
def measure_fidelity(
    generator: Generator,
    latents: Tensor,
    targets: Tensor,
    class_index: int | None = None,
    similarities: Mapping[str, Similarity] | None = None,
) -> Fidelity:
    """Render ws [N, num_ws, w_dim], or styles [N, num_styles], and hold them against photographs [N, 3, R, R].

    `similarities` measure more, such as the networks of `latentedit.predictors.likeness`.
    """
    is_ws = latents.ndim == 3
    images = (render if is_ws else render_styles)(generator, latents)
    distance = measure_axes(generator, class_index).distance(latents) if is_ws else None
    squares = (images - targets).square().flatten(1).mean(dim=1)
    others = {name: measure(targets, images) for name, measure in (similarities or {}).items()}
    return Fidelity(images, squares, ms_ssim(images, targets), distance, others)
