"""Latents of any space as plain rows of numbers, and a normal among such rows as a direction's vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.direction import Space
from latentedit.errors import InputError
from latentedit.networks import AnyConfig


@dataclass(frozen=True)
class Coordinates:
    """Some layers of one space of a generator: rows of ws in W and W+, style layers in S, 0 in Z."""

    config: AnyConfig
    space: Space
    layers: tuple[int, ...]

    def __post_init__(self) -> None:
        known = range(count_layers(self.config, self.space))
        if not self.layers or list(self.layers) != sorted(set(self.layers)) or not set(self.layers) <= set(known):
            raise InputError(f"layers {list(self.layers)} in {self.space.upper()}: give some of 0-{len(known) - 1}")

    @property
    def copies(self) -> int:
        """How often the space repeats a row: num_ws in W, once elsewhere."""
        return self.config.num_ws if self.space == "w" else 1

    def flatten(self, latents: Tensor) -> Tensor:
        """Lay each face out as one row: z [N, z_dim], w [N, w_dim], ws [N, num_ws, w_dim] or styles -> [N, D]."""
        if self.space == "w" and latents.shape[1:] == (self.config.w_dim,):
            return latents
        if tuple(latents.shape[1:]) != self._face_shape:
            needed = ", ".join(map(str, ("N", *self._face_shape)))
            raise InputError(f"latents of shape {list(latents.shape)} in {self.space.upper()}: give [{needed}]")
        match self.space:
            case "z":
                return latents
            case "w":
                return self._single_rows(latents)
            case "w+":
                return latents[:, list(self.layers)].flatten(1)
        return torch.cat([latents[:, start : start + width] for start, width in self._places()], dim=1)

    @property
    def _face_shape(self) -> tuple[int, ...]:
        """The shape of one face's latents."""
        config = self.config
        return {"z": (config.z_dim,), "s": (config.num_styles,)}.get(self.space, (config.num_ws, config.w_dim))

    def _single_rows(self, ws: Tensor) -> Tensor:
        """Pick the row that all layers of a face share."""
        if not all(torch.equal(ws[:, 0], ws[:, i]) for i in range(1, ws.shape[1])):
            raise InputError("the rows of some ws differ (W+, or truncated up to a cutoff): give latents in W, or w+")
        return ws[:, 0]

    def shape(self, normal: Tensor) -> Tensor:
        """Make the vector of a direction from a normal among flat rows: [D] -> [len(layers), width]."""
        if self.space in ("z", "w"):
            return normal.repeat(len(self.layers), 1)
        if self.space == "w+":
            return normal.reshape(len(self.layers), -1)
        widths = [width for _, width in self._places()]
        widest = max(self.style_widths)
        return torch.stack([F.pad(row, (0, widest - len(row))) for row in torch.split(normal, widths)])

    @property
    def style_widths(self) -> tuple[int, ...]:
        """The widths of all style layers."""
        return tuple(layer.width for layer in self.config.style_layers)

    def _places(self) -> list[tuple[int, int]]:
        """Find the style layers among all styles side by side: -> start and width of each."""
        return [self.config.style_layers[layer][1:3] for layer in self.layers]


def count_layers(config: AnyConfig, space: Space) -> int:
    """Count the layers that a space has in a generator; raise InputError if there is no such space."""
    if space not in get_args(Space):
        raise InputError(f"space {space!r} is not known: choose one of {', '.join(get_args(Space))}")
    return {"z": 1, "w": config.num_ws, "w+": config.num_ws, "s": len(config.style_layers)}[space]


def choose_coordinates(config: AnyConfig, space: Space, layers: tuple[int, ...] | None) -> Coordinates:
    """Name the layers of a space, all of them by default."""
    chosen = tuple(range(count_layers(config, space))) if layers is None else tuple(layers)
    return Coordinates(config, space, chosen)
