"""The edit itself: w + alpha * direction, its units, and sweeps over alpha."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from latentedit.direction import Direction
from latentedit.errors import InputError
from latentedit.vocabulary import UNITS, Unit


def edit(
    latents: Tensor,
    direction: Direction,
    alpha: float,
    layers: Sequence[int] | None = None,
    unit: Unit | None = None,
) -> Tensor:
    """Compute w + alpha * w*, relative to where the latents stand: [..., num_ws, w_dim] -> same.

    The latents are those of the direction's space: ws, styles [..., num_styles] (`to_styles`), or z
    [N, z_dim]. `layers` narrows the edit to some of the direction's own layers. `unit` says what
    alpha counts: `raw` rows of the vector as it is, `sigma` standard deviations of the population
    along it, `flat` the vector scaled to unit norm over all its layers together (the memorability
    paper's); default is the direction's own. Edit ws and styles after truncation, z before.
    """
    direction.check_latents(latents)
    moved = [layers is None or layer in layers for layer in direction.layers]
    if not any(moved):
        raise InputError(f"layers {layers}: direction {direction.name} moves none of them, only {direction.layers}")
    step = direction.vector * torch.tensor(moved)[:, None] * to_raw(direction, alpha, unit)
    edited = direction.add(latents, step)
    if not torch.isfinite(edited).all():
        raise InputError(f"alpha {alpha:g} along {direction.name} leaves the range of numbers: give a smaller one")
    return edited


def to_raw(direction: Direction, alpha: float, unit: Unit | None = None) -> float:
    """Convert an alpha in some unit to multiples of the direction's vector."""
    if not math.isfinite(alpha):
        raise InputError(f"alpha {alpha} is not a finite number: give one such as 3 or -1.5")
    return alpha * _raw_per_unit(direction, unit or direction.unit)


def convert_alpha(direction: Direction, alpha: float, unit: Unit | None = None) -> dict[Unit, float]:
    """Express an alpha in every unit that the direction knows."""
    raw = to_raw(direction, alpha, unit)
    known = [u for u in UNITS if u != "sigma" or direction.sigma]
    return {u: raw / _raw_per_unit(direction, u) for u in known}


def _raw_per_unit(direction: Direction, unit: Unit) -> float:
    """How many vectors one step of a unit is."""
    if unit == "raw":
        return 1.0
    if unit == "flat":
        return 1 / direction.norm
    if unit != "sigma":
        raise InputError(f"unit {unit!r} is not known: choose one of {', '.join(UNITS)}")
    if not direction.sigma:
        raise InputError(f"unit sigma: nobody measured sigma of direction {direction.name}, calibrate it or use raw")
    return direction.sigma


@dataclass(frozen=True, eq=False)
class Sweep:
    """Latents moved by every alpha: ws [N, num_alphas, num_ws, w_dim], or those of the direction's own space."""

    latents: Tensor
    direction: Direction
    alphas: tuple[float, ...]
    unit: Unit

    @property
    def ws(self) -> Tensor:
        """The latents where they are ws: [N, num_alphas, num_ws, w_dim]."""
        if self.direction.space in ("z", "s"):
            name = f"direction {self.direction.name} moves {self.direction.space}"
            raise InputError(f"{name}: this sweep has no ws, take its latents")
        return self.latents


def choose_moved(
    direction: Direction, ws: Tensor, alphas: Sequence[float], layers: Sequence[int] | None
) -> tuple[int, ...]:
    """Choose which of a direction's layers a bent path moves, all by default: ws [..., num_ws, w_dim] -> layers.

    Raises InputError for latents of another generator, without alphas, and where no layer is left.
    """
    direction.check_latents(ws)
    moved = tuple(layer for layer in direction.layers if layers is None or layer in layers)
    if not alphas or not moved:
        raise InputError(f"direction {direction.name}: give an alpha, and some of layers {direction.layers}")
    return moved


def sweep(
    latents: Tensor,
    direction: Direction,
    alphas: Sequence[float],
    layers: Sequence[int] | None = None,
    unit: Unit | None = None,
) -> Sweep:
    """Edit every face by every alpha: [N, num_ws, w_dim] -> Sweep of [N, num_alphas, num_ws, w_dim]; as in `edit`."""
    if not alphas:
        raise InputError("a sweep needs at least one alpha")
    moved = torch.stack([edit(latents, direction, alpha, layers, unit) for alpha in alphas], dim=1)
    return Sweep(moved, direction, tuple(float(alpha) for alpha in alphas), unit or direction.unit)
