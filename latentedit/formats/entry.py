"""A direction as another tool's file holds it, before it is laid on a generator's layers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from latentedit.direction import Direction, Space
from latentedit.errors import InputError
from latentedit.spaces import make_direction
from latentedit.vocabulary import Unit

ForeignSpace = Literal["w", "z"]  # what a file of one row may be meant in

USUAL_LAYERS = {512: 18}  # by width: StyleGAN2 at 1024 px, whose directions most files hold
MOST_LAYERS = 64  # a claim to more is damage: 1024 px have 18
LARGE = 5.0  # a row's norm: directions have about 1, a face's own code in FFHQ's W 10 or more


@dataclass(frozen=True, eq=False)
class Entry:
    """One direction of a file: `rows` [1, width] for all its layers alike, or one row a layer.

    `layers` is None where the file does not say: then one row is meant for every layer of the
    generator, and several rows for one layer each. `facts` are what the file says beside, plain
    JSON values; `assumed` what the reader took for granted. `style_widths` are those of a direction
    in StyleSpace, which only latentedit's own files hold.
    """

    name: str
    rows: Tensor
    layers: tuple[int, ...] | None = None
    unit: Unit = "raw"
    sigma: float | None = None
    generator: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    space: Space = "w"
    style_widths: tuple[int, ...] = ()

    @property
    def row_norm(self) -> float:
        """The root-mean-square norm of the rows."""
        return float(self.rows.double().square().sum(dim=1).mean().sqrt())

    def lay(self, num_ws: int | None = None, space: ForeignSpace | None = None) -> Direction:
        """Lay the rows on layers: for a generator of `num_ws`, or where it is None, of the usual number.

        `space` overrules the reader's. What was assumed goes into the provenance, and so does the
        number of layers where the file fixes it.
        """
        provenance: dict[str, Any] = {"method": "imported", **self.facts, "assumed": list(self.assumed)}
        if (space or self.space) == "z":
            return self._lay_in_z(provenance)
        layers = self.layers
        if layers is None and len(self.rows) > 1:
            layers = tuple(range(len(self.rows)))
            provenance["num_ws"] = len(layers)
        if layers is None:
            if num_ws is None:
                num_ws = usual_num_ws(self.rows.shape[1])
                provenance["assumed"].append(f"all layers are {num_ws}, as they usually are at this width")
            layers = tuple(range(num_ws))
        vector = self.rows.expand(len(layers), -1).clone()
        styles = {"style_widths": self.style_widths} if self.space == "s" else {}
        known = {"unit": self.unit, "sigma": self.sigma, "generator": self.generator, "provenance": provenance}
        return make_direction("s" if styles else "w", self.name, vector, layers, **known, **styles)

    def _lay_in_z(self, provenance: dict[str, Any]) -> Direction:
        """Take the one row as a direction in Z; its sigma, if any, was W's."""
        if len(self.rows) > 1 or self.layers not in (None, (0,)):
            raise InputError(f"direction {self.name} has a row a layer or moves some layers only: that is W, not Z")
        sigma = self.sigma if self.space == "z" else None
        unit = self.unit if sigma else "raw"
        known = {"unit": unit, "sigma": sigma, "generator": self.generator, "provenance": provenance}
        return make_direction("z", self.name, self.rows.clone(), (0,), **known)

    def oddities(self) -> Iterator[str]:
        """Say what a user should know before relying on it."""
        norms, length = self.rows.double().norm(dim=1), self.row_norm
        num_zero = int((norms == 0).sum())
        if not torch.isfinite(norms).all():
            yield "holds NaN or infinity: it cannot be used"
        elif num_zero == len(norms):
            yield "is zero everywhere: it cannot be used"
        elif num_zero:
            yield f"{num_zero} of {len(norms)} rows are zero"
        if length > LARGE:
            yield f"rows of norm {length:.3g}, as long as a face's own code: perhaps latents, for --latents"
        elif length > 0 and not math.isclose(length, 1, rel_tol=1e-3):
            yield f"not unit norm: rows of {length:.3g}, so an alpha is that much of a step along unit rows"


def usual_num_ws(width: int) -> int:
    """Name the number of layers that generators of a width usually have."""
    if width not in USUAL_LAYERS:
        raise InputError(f"one row of width {width}, and how many layers it moves is not said: pass --network")
    return USUAL_LAYERS[width]
