"""What can be evaluated: anything that shows faces at the alphas asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from latentedit.direction import Direction
from latentedit.discovery import calibrate
from latentedit.editing import Sweep, sweep
from latentedit.latents import sample_z, to_styles, to_ws
from latentedit.networks import Generator
from latentedit.rendering import render, render_styles
from latentedit.vocabulary import Unit


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


@runtime_checkable
class Path(Protocol):
    """Anything that moves ws by a way of its own, after a direction."""

    @property
    def name(self) -> str:
        """What it is called in tables."""

    @property
    def direction(self) -> Direction:
        """The direction that it follows."""

    def sweep(
        self, ws: Tensor, alphas: Sequence[float], layers: Sequence[int] | None = None, unit: Unit | None = None
    ) -> Sweep:
        """Move every face to every alpha: [N, num_ws, w_dim] -> Sweep."""


@dataclass(frozen=True, eq=False)
class AlongPath:
    """The edit along a path, such as `Holding`, alpha in sigmas of the direction that it follows."""

    generator: Generator
    path: Path

    @property
    def name(self) -> str:
        """The path's."""
        return self.path.name

    @property
    def direction(self) -> Direction:
        """The direction that the path follows."""
        return self.path.direction

    def __call__(self, faces: Faces, alphas: Sequence[float]) -> Tensor:
        """Show faces at every alpha: -> [N, num_alphas, 3, H, W] in [-1, 1]."""
        return render(self.generator, self.path.sweep(faces.ws, alphas, unit="sigma").ws)


def as_edit(generator: Generator, edit: Edit | Path | Direction, class_index: int | None = None) -> Edit:
    """Take a direction, or a path, as the edit along it."""
    if isinstance(edit, Direction):
        return go_along(generator, edit, class_index)
    return AlongPath(generator, edit) if isinstance(edit, Path) else edit


def go_along(generator: Generator, direction: Direction, class_index: int | None = None) -> AlongDirection:
    """Take a direction as the edit along it, its sigma measured if nobody did."""
    return AlongDirection(generator, direction if direction.sigma else calibrate(direction, generator, class_index))
