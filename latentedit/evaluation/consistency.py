"""Latent editing consistency (Tov et al. 2021): what is left of a code after edit, render, invert, undo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from latentedit.direction import Direction
from latentedit.editing import edit
from latentedit.errors import InputError
from latentedit.inversion.coordinates import measure_axes
from latentedit.inversion.projection import ProjectionSettings, project
from latentedit.networks import Generator
from latentedit.rendering import render
from latentedit.statistics import Estimate, resample_faces, summarise_resamples

Invert = Callable[[Tensor], Tensor]
"""From images [N, 3, R, R] to ws [N, num_ws, w_dim]."""

TRIMMED = 0.01  # of the faces, at either end
STEPS = 50  # of a projection, where there is no encoder


@dataclass(frozen=True)
class Consistency:
    """Distances of codes from what comes back of them, in standard deviations of W's population a coordinate."""

    name: str
    alpha: float
    undone: Estimate  # edit, render, invert, undo
    unedited: Estimate  # the same at alpha 0: what rendering and inverting alone lose


def measure_consistency(
    generator: Generator, directions: Sequence[Direction], invert: Invert, images: Tensor, alpha: float = 3.0
) -> list[Consistency]:
    """Measure mean |E(x) - f'(E(G(f(E(x)))))| on images x [N, 3, R, R]: N directions -> N results.

    f moves codes by alpha sigmas along the direction and f' back; the hundredth of faces at either end is
    left out, as e4e does. A distance of 1 is that of a coordinate from the mean in a random face.
    Directions in Z and StyleSpace, which inverted codes don't have, are refused.
    """
    for direction in directions:
        if direction.space not in ("w", "w+"):
            raise InputError(f"{direction.name} moves {direction.space}: consistency is measured on codes in W and W+")
    codes, population = invert(images), measure_axes(generator)

    def undo(direction: Direction | None) -> Estimate:
        moved = edit(codes, direction, alpha, unit="sigma") if direction else codes
        again = invert(render(generator, moved))
        back = edit(again, direction, -alpha, unit="sigma") if direction else again
        apart = population.to_coordinates(back) - population.to_coordinates(codes)
        return _average(apart.square().flatten(1).mean(dim=1).sqrt())

    unedited = undo(None)
    return [Consistency(direction.name, alpha, undo(direction), unedited) for direction in directions]


def by_projection(generator: Generator, num_steps: int | None = None) -> Invert:
    """Make an inversion of projections to W+."""
    settings = ProjectionSettings(num_steps=num_steps or STEPS)
    return lambda images: project(generator, images, settings).latents


def _average(distances: Tensor) -> Estimate:
    """Average the distances but for the ends, with the bootstrap interval over faces: [N] -> Estimate."""
    cut = round(TRIMMED * len(distances))
    kept = distances.sort().values[cut : len(distances) - cut].double().cpu().numpy()
    return summarise_resamples(resample_faces(len(kept)) @ kept)
