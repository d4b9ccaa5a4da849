"""Latents in coordinates where a generator's own faces are a standard Gaussian: W by rows, W+, and StyleSpace."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.latents import one_hot
from latentedit.networks import Generator
from latentedit.vocabulary import PROJECTION_SPACES, ProjectionSpace

SAMPLES = 4096
FLOOR = 0.05  # of the root mean variance: less of it counts as this much


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """W's mean [w_dim] and principal axes, each as long as its standard deviation: [w_dim, w_dim], columns."""

    mean: Tensor
    axes: Tensor

    def to_ws(self, x: Tensor) -> Tensor:
        """Leave the coordinates: [..., w_dim] -> w [..., w_dim]."""
        ws: Tensor = x @ self.axes.t() + self.mean
        return ws

    def to_coordinates(self, ws: Tensor) -> Tensor:
        """Compute coordinates, of mean 0 and variance 1 in the population: w [..., w_dim] -> [..., w_dim]."""
        x: Tensor = (ws - self.mean) @ self.whitening
        return x

    @property
    def whitening(self) -> Tensor:
        """What a difference of w is multiplied by to become one of coordinates: [w_dim, w_dim]."""
        whitening: Tensor = self.axes / self.axes.square().sum(dim=0)
        return whitening

    def distance(self, ws: Tensor) -> Tensor:
        """Compute the root mean square of all coordinates: ws [N, num_ws, w_dim] -> [N], 1 where samples lie."""
        return self.to_coordinates(ws).square().flatten(1).mean(dim=1).sqrt()


@torch.no_grad()
def measure_axes(generator: Generator, class_index: int | None = None, samples: int = SAMPLES) -> PrincipalAxes:
    """Measure W's mean and principal axes on random samples, the same every time."""
    w = draw_population(generator, class_index, samples)
    mean = w.mean(dim=0)
    _, lengths, axes = torch.linalg.svd((w - mean).double() / samples**0.5, full_matrices=False)
    deviations = lengths.clamp(min=FLOOR * float(lengths.square().mean().sqrt()))
    return PrincipalAxes(mean, (axes.t() * deviations).to(w))


@torch.no_grad()
def draw_population(generator: Generator, class_index: int | None = None, samples: int = SAMPLES) -> Tensor:
    """Map random z, the same every time: -> w [samples, w_dim], untruncated."""
    w_avg = generator.mapping.w_avg
    z = torch.randn(samples, generator.config.z_dim, generator=torch.Generator().manual_seed(0)).to(w_avg.device)
    label = one_hot(generator, class_index).to(w_avg.device).expand(samples, -1)
    w: Tensor = generator.mapping(z, label)
    return w


@dataclass(frozen=True, eq=False)
class Coordinates:
    """How the unknowns x of a projection become latents and images."""

    generator: Generator
    population: PrincipalAxes
    space: ProjectionSpace
    style_mean: Tensor | None = None  # [num_styles], and their deviations
    style_scale: Tensor | None = None

    @classmethod
    def of(cls, generator: Generator, population: PrincipalAxes, space: ProjectionSpace) -> Coordinates:
        """Choose coordinates for a space; in `s` each channel counts in its standard deviations."""
        if space not in PROJECTION_SPACES:
            raise InputError(f"space {space!r} is not known: choose one of {', '.join(PROJECTION_SPACES)}")
        if space != "s":
            return cls(generator, population, space)
        random = torch.Generator().manual_seed(0)
        x = torch.randn(SAMPLES, 1, len(population.mean), generator=random).to(population.mean)
        styles = generator.synthesis.make_styles(population.to_ws(x).repeat(1, generator.config.num_ws, 1))
        scale = styles.std(dim=0)
        return cls(generator, population, space, styles.mean(dim=0), scale.clamp(min=FLOOR * float(scale.mean())))

    def start(self, ws: Tensor) -> Tensor:
        """Place ws [N, num_ws, w_dim] in the coordinates: -> x, [N, 1, w_dim] in W."""
        if self.style_mean is not None and self.style_scale is not None:
            return (self.generator.synthesis.make_styles(ws) - self.style_mean) / self.style_scale
        return self.population.to_coordinates(ws.mean(dim=1, keepdim=True) if self.space == "w" else ws)

    def to_latents(self, x: Tensor) -> Tensor:
        """Leave the coordinates: -> ws [N, num_ws, w_dim], or styles [N, num_styles]."""
        if self.style_mean is not None and self.style_scale is not None:
            return x * self.style_scale + self.style_mean
        return self.population.to_ws(x).expand(-1, self.generator.config.num_ws, -1)
