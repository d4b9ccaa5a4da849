"""Where an edit takes a face: how far out in the population of the generator's own faces."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latentedit.inversion.coordinates import draw_population
from latentedit.networks import Generator

CHUNK = 512  # faces whose styles are made at once


@dataclass(frozen=True, eq=False)
class Outskirts:
    """Where edited faces lie along the way they went, in standard deviations from the mean of random faces.

    `sigmas` [N] is the face's own place, of the row that lies farthest out; `farthest` [N] that of the
    farthest of 4,096 random faces.
    """

    sigmas: Tensor
    farthest: Tensor

    @property
    def have_left(self) -> Tensor:
        """Tell which faces went beyond all random ones: -> bool [N]."""
        return self.sigmas > self.farthest


@torch.no_grad()
def measure_outskirts(generator: Generator, before: Tensor, after: Tensor, class_index: int | None = None) -> Outskirts:
    """Place edited ws [N, num_ws, w_dim], or styles [N, num_styles], among 4,096 random faces: -> Outskirts.

    Random faces are untruncated. A face that an edit leaves where it was, or brings nearer to the
    mean, lies at 0 or below.
    """
    population = draw_population(generator, class_index)
    if before.ndim == 2:
        parts = (population[i : i + CHUNK, None] for i in range(0, len(population), CHUNK))
        rows = generator.config.num_ws
        population = torch.cat([generator.synthesis.make_styles(part.expand(-1, rows, -1)) for part in parts])
    ways, ends = (x.reshape(len(before), -1, population.shape[1]) for x in (after - before, after))
    places = torch.einsum("sd,nrd->snr", population, ways)  # of random faces along each row's way
    spread = places.std(dim=0).clamp(min=1e-12)
    own = ((ends * ways).sum(dim=2) - places.mean(dim=0)) / spread
    farthest = (places.amax(dim=0) - places.mean(dim=0)) / spread
    row = (own - farthest).argmax(dim=1, keepdim=True)
    return Outskirts(own.gather(1, row)[:, 0], farthest.gather(1, row)[:, 0])
