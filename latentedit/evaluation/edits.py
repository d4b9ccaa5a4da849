"""What can be evaluated: anything that shows faces at the alphas asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from latentedit.direction import Direction
from latentedit.discovery import calibrate
from latentedit.editing import sweep
from latentedit.latents import sample_z, to_styles, to_ws
from latentedit.networks import Generator
from latentedit.rendering import render, render_styles


@dataclass(frozen=True)
class Faces:
    """Faces before any edit: z [N, z_dim], and as mapped and truncated, ws [N, num_ws, w_dim]."""

    z: Tensor
    ws: Tensor
    truncation_psi: float
    class_index: int | None = None

    def __len__(self) -> int:
        return len(self.ws)

    def part(self, start: int, stop: int) -> Faces:
        """Take some of them."""
        return Faces(self.z[start:stop], self.ws[start:stop], self.truncation_psi, self.class_index)


def draw_faces(
    generator: Generator, seeds: Iterable[int], truncation_psi: float, class_index: int | None = None
) -> Faces:
    """Make the faces of seeds."""
    z = sample_z(seeds, generator.config.z_dim)
    return Faces(z, to_ws(generator, z, truncation_psi, class_index=class_index), truncation_psi, class_index)


class Edit(Protocol):
    """Anything that moves faces by an alpha, 0 being no edit."""

    @property
    def name(self) -> str:
        """What it is called in tables."""

    def __call__(self, faces: Faces, alphas: Sequence[float]) -> Tensor:
        """Show faces at every alpha: -> [N, num_alphas, 3, H, W] in [-1, 1]."""


@dataclass(frozen=True, eq=False)
class AlongDirection:
    """The edit w + alpha * w* along a direction of any space, alpha in sigmas of its population."""

    generator: Generator
    direction: Direction
    layers: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        """The direction's."""
        return self.direction.name

    def __call__(self, faces: Faces, alphas: Sequence[float]) -> Tensor:
        """Show faces at every alpha: -> [N, num_alphas, 3, H, W] in [-1, 1]."""
        match self.direction.space:
            case "z":
                z = self._sweep(faces.z, alphas)
                return render(self.generator, to_ws(self.generator, z, faces.truncation_psi, None, faces.class_index))
            case "s":
                return render_styles(self.generator, self._sweep(to_styles(self.generator, faces.ws), alphas))
        return render(self.generator, self._sweep(faces.ws, alphas))

    def _sweep(self, latents: Tensor, alphas: Sequence[float]) -> Tensor:
        return sweep(latents, self.direction, alphas, self.layers, "sigma").latents


def as_edit(generator: Generator, edit: Edit | Direction, class_index: int | None = None) -> Edit:
    """Take a direction as the straight edit along it, its sigma measured if nobody did."""
    if not isinstance(edit, Direction):
        return edit
    direction = edit if edit.sigma else calibrate(edit, generator, class_index)
    return AlongDirection(generator, direction)
