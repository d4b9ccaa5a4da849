"""Directions in Z and in StyleSpace: the algebra of those in W, over other latents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.direction import Direction, Space, say_widths
from latentedit.errors import InputError


@dataclass(frozen=True, eq=False)
class ZDirection(Direction):
    """A direction in Z, the generator's input: `vector` [1, z_dim], layer 0 being all there is.

    z moves before mapping and truncation. GANalyze scales z back to its norm after a step; the
    mapping divides by that norm, so no picture knows the difference.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers != (0,):
            raise InputError(f"direction {self.name}: layers {self.layers} in Z, which has no layers but 0")

    @property
    def space(self) -> Space:
        """Always `z`."""
        return "z"

    def check_latents(self, z: Tensor) -> None:
        """Raise InputError if latents are not z [N, z_dim]: ws of the same width have another axis."""
        if z.ndim != 2 or z.shape[1] != self.vector.shape[1]:
            raise InputError(
                f"direction {self.name} moves z, [N, {self.vector.shape[1]}], the latents are {list(z.shape)}: "
                "give z of sample_z, or a direction in W"
            )

    def rows_of(self, z: Tensor) -> Tensor:
        """Take z as its only layer: [N, z_dim] -> [N, 1, z_dim]."""
        return z[:, None]

    def add(self, z: Tensor, step: Tensor) -> Tensor:
        """Add a step [1, z_dim]: [N, z_dim] -> same."""
        return z + step.to(z)


@dataclass(frozen=True, eq=False)
class StyleDirection(Direction):
    """A direction in StyleSpace: one row of `vector` [len(layers), widest] for each style layer it moves.

    `layers` count as `config.style_layers` does, with the toRGB ones (Wu et al. 2021); `style_widths`
    are those of all style layers. A row of a layer that is narrower ends in zeros.
    """

    style_widths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.layers) >= len(self.style_widths) or self.vector.shape[1] != max(self.style_widths):
            raise InputError(
                f"direction {self.name}: rows of {self.vector.shape[1]} for style layers {self.layers} "
                f"of widths {self.style_widths}"
            )
        if any(row[self.style_widths[layer] :].any() for layer, row in zip(self.layers, self.vector, strict=True)):
            raise InputError(f"direction {self.name}: it moves channels that its style layers have not")

    @property
    def space(self) -> Space:
        """Always `s`."""
        return "s"

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths of all style layers."""
        return self.style_widths

    @property
    def channels(self) -> dict[str, float]:
        """The channels that it moves, as `9_409`, and how far."""
        at = self.vector.nonzero().tolist()
        return {f"{self.layers[i]}_{channel}": float(self.vector[i, channel]) for i, channel in at}

    def check_latents(self, styles: Tensor) -> None:
        """Raise InputError if latents are not styles: [..., num_styles]."""
        if styles.ndim < 1 or styles.shape[-1] != sum(self.style_widths):
            raise InputError(
                f"direction {self.name} moves styles, {say_widths(self.style_widths)}, the latents are "
                f"{list(styles.shape)}: give to_styles of its own generator's ws"
            )

    def rows_of(self, styles: Tensor) -> Tensor:
        """Pick what it moves, zeros behind the narrow layers: [..., num_styles] -> [..., len(layers), widest]."""
        widest = self.vector.shape[1]
        rows = [styles[..., place] for place in self._places()]
        return torch.stack([F.pad(row, (0, widest - row.shape[-1])) for row in rows], dim=-2)

    def add(self, styles: Tensor, step: Tensor) -> Tensor:
        """Add a step [len(layers), widest] to the layers that it moves: [..., num_styles] -> same."""
        moved = styles.clone()
        for place, row in zip(self._places(), step.to(styles), strict=True):
            moved[..., place] += row[: place.stop - place.start]
        return moved

    def _places(self) -> Iterator[slice]:
        """Find the layers that it moves among all styles side by side."""
        for layer in self.layers:
            start = sum(self.style_widths[:layer])
            yield slice(start, start + self.style_widths[layer])


def make_direction(space: Space, name: str, vector: Tensor, layers: tuple[int, ...], **fields: Any) -> Direction:
    """Make a direction of the class that its space asks for; only one in `s` takes `style_widths`."""
    kinds = {"z": ZDirection, "w": Direction, "w+": Direction, "s": StyleDirection}
    return kinds[space](name, vector, layers, **fields)
