"""Directions: their algebra, their units, and conditioning by subspace projection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.vocabulary import Unit

Space = Literal["z", "w", "w+", "s"]
SMALLEST_SHARE = 0.01  # less of a direction than this is noise of its fit


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction in W or W+: one row of `vector` [len(layers), w_dim] (float64) for each layer it moves.

    `latentedit.spaces` has those in Z and in StyleSpace. `sigma` is the standard deviation of the
    population along it, in units of `vector`, or None where nobody measured it; `generator` the
    fingerprint of the network it belongs to, or None for a foreign file; `provenance` says how it
    was found, as plain JSON values.
    """

    name: str
    vector: Tensor
    layers: tuple[int, ...]
    unit: Unit = "raw"  # what an alpha counts where the user names no unit
    sigma: float | None = None
    generator: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.vector.ndim != 2 or len(self.vector) != len(self.layers):
            raise InputError(
                f"direction {self.name}: vector of shape {list(self.vector.shape)} for {len(self.layers)} layers"
            )
        if not torch.isfinite(self.vector).all() or not self.vector.any():
            raise InputError(f"direction {self.name}: its vector is zero or not finite, make it anew")
        if list(self.layers) != sorted(set(self.layers)) or self.layers[0] < 0:
            raise InputError(f"direction {self.name}: its layers {self.layers} do not rise from 0 on, make it anew")
        if self.sigma is not None and not 0 < self.sigma < math.inf:
            raise InputError(f"direction {self.name}: its sigma {self.sigma} is no positive number, calibrate it")
        object.__setattr__(self, "vector", self.vector.detach().cpu().double())

    @property
    def space(self) -> Space:
        """`w` where all rows are equal up to rounding, `w+` where they differ."""
        return "w" if torch.allclose(self.vector, self.vector[:1], rtol=0, atol=1e-9 * self.norm) else "w+"

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of the space's layers: one for all of W's."""
        return (self.vector.shape[1],)

    @property
    def norm(self) -> float:
        """The norm over all rows together: sqrt(len(layers)) for unit rows."""
        return float(self.vector.norm())

    def normalized(self) -> Direction:
        """Scale to a root-mean-square row norm of 1; W directions get unit rows. sigma follows."""
        scale = math.sqrt(len(self.layers)) / self.norm
        sigma = None if self.sigma is None else self.sigma / scale
        return replace(self, vector=self.vector * scale, sigma=sigma)

    def check_latents(self, ws: Tensor) -> None:
        """Raise InputError if latents are not of the direction's space: [..., num_ws, w_dim]."""
        if ws.ndim < 2 or ws.shape[-1] != self.vector.shape[1] or ws.shape[-2] <= max(self.layers):
            raise InputError(
                f"direction {self.name} moves layers up to {max(self.layers)} of width {self.vector.shape[1]}, "
                f"the latents are {list(ws.shape[-2:])}: they belong to different generators"
            )

    def rows_of(self, ws: Tensor) -> Tensor:
        """Pick what it moves: [..., num_ws, w_dim] -> [..., len(layers), w_dim]."""
        return ws[..., list(self.layers), :]

    def add(self, ws: Tensor, step: Tensor) -> Tensor:
        """Add a step [len(layers), w_dim] to what it moves: [..., num_ws, w_dim] -> same."""
        moved = ws.clone()
        moved[..., list(self.layers), :] += step.to(ws)
        return moved

    def coordinate(self, latents: Tensor) -> Tensor:
        """Read how far latents lie along the direction, <w, v> / <v, v>: [..., num_ws, w_dim] -> [...]."""
        rows = self.rows_of(latents).cpu().double()  # not every GPU has float64
        return (rows * self.vector).sum(dim=[-2, -1]) / self.vector.square().sum()

    def calibrated(self, latents: Tensor) -> Direction:
        """Measure sigma on a population without truncation: ws [N, num_ws, w_dim]."""
        return replace(self, sigma=float(self.coordinate(latents).std()))

    def condition_on(
        self,
        conditions: Sequence[Direction],
        per_layer: bool = False,
        name: str | None = None,
        any_generator: bool = False,
        covariance: Tensor | None = None,
    ) -> Direction:
        """Project off the span of all conditions at once, n - C^T (C C^T)^-1 C n, and normalise.

        Flattened over the layers, or `per_layer`, each row off the conditions' rows of that layer.
        The result is orthogonal to each condition; `provenance["kept"]` is the share of the norm
        that was left. Raises InputError if next to nothing is. sigma must be measured anew.
        That is right where conditions are normals, along which a trait is read off: gradients,
        hyperplanes, regressions. `covariance` [w_dim, w_dim] of W's population (`measure_covariance`)
        makes it orthogonality under a^T covariance^-1 b, right where conditions are the ways that
        faces differ: differences of means, components, edits found by hand. Neither keeps a trait
        constant where it bends with w: `Holding` does, face by face.
        Source: Shen et al. 2020, "Interpreting the latent space of GANs", section 3.2.
        """
        if not conditions:
            raise InputError(f"direction {self.name}: no condition to project off, name at least one")
        if not any_generator:
            for condition in conditions:
                check_same_generator(condition.name, condition.generator, self.generator)
        names = [condition.name for condition in conditions]
        whiten, unwhiten = self._root(covariance)
        aligned = torch.stack([self._aligned(condition) for condition in conditions])
        white = replace(self, vector=self.vector @ whiten)
        projected = white._without(aligned @ whiten, per_layer)
        vector, kept = projected @ unwhiten, float(projected.norm() / white.vector.norm())
        if kept < SMALLEST_SHARE:
            raise InputError(f"{self.name} without {', '.join(names)}: only {kept:.1%} is left, drop a condition")
        provenance = {
            "method": "subspace projection, " + ("layer by layer" if per_layer else "flattened"),
            "metric": "euclidean" if covariance is None else "covariance",
            "parents": [self.name, *names],
            "parent_generators": [self.generator, *(condition.generator for condition in conditions)],
            "kept": kept,
            "parent_provenance": self.provenance,
        }
        name = name or f"{self.name}_without_{'_'.join(names)}"
        return replace(self, name=name, vector=vector, sigma=None, provenance=provenance).normalized()

    def _root(self, covariance: Tensor | None) -> tuple[Tensor, Tensor]:
        """Find the symmetric roots covariance^-1/2 and covariance^1/2, the identity where there is none."""
        width = self.vector.shape[1]
        if covariance is None:
            return torch.eye(width, dtype=torch.float64), torch.eye(width, dtype=torch.float64)
        if self.space[0] != "w" or covariance.shape != (width, width):
            raise InputError(
                f"direction {self.name} in {self.space.upper()} of width {width} and a covariance of shape "
                f"{list(covariance.shape)}: give that of its own generator's W, or none"
            )
        return find_roots(covariance)

    def _without(self, conditions: Tensor, per_layer: bool) -> Tensor:
        """Project the vector off conditions [K, L, D]: -> [L, D]."""
        if per_layer:
            rows = [_project_off(row, conditions[:, i]) for i, row in enumerate(self.vector)]
            return torch.stack(rows)
        return _project_off(self.vector.flatten(), conditions.flatten(1)).reshape_as(self.vector)

    def _aligned(self, condition: Direction) -> Tensor:
        """Bring a condition to this direction's layers, zero where it has none: -> [L, D]."""
        check_same_space([self, condition])
        row_of = dict(zip(condition.layers, condition.vector, strict=True))
        zero = torch.zeros_like(self.vector[0])
        return torch.stack([row_of.get(layer, zero) for layer in self.layers])


def find_roots(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Find the symmetric roots covariance^-1/2 and covariance^1/2 in float64: [D, D] -> two [D, D]."""
    variances, axes = torch.linalg.eigh(covariance.detach().cpu().double())
    if not variances[0] > 0:
        raise InputError("a covariance of too few faces: some direction of W does not vary, measure it on more")
    return axes @ (variances.rsqrt()[:, None] * axes.t()), axes @ (variances.sqrt()[:, None] * axes.t())


def _project_off(vector: Tensor, conditions: Tensor, rank_tolerance: float = 1e-8) -> Tensor:
    """Remove from a vector [D] its part in the span of conditions [K, D], of whatever rank."""
    norms = conditions.norm(dim=1, keepdim=True)
    unit = conditions[norms[:, 0] > 0] / norms[norms[:, 0] > 0]
    if len(unit) == 0:
        return vector
    _, singular, basis = torch.linalg.svd(unit, full_matrices=False)
    basis = basis[singular > rank_tolerance * singular[0]]  # [rank, D], orthonormal
    for _ in range(2):  # the second pass removes what rounding left
        vector = vector - basis.t() @ (basis @ vector)
    return vector


def check_same_generator(name: str, found: str | None, wanted: str | None) -> None:
    """Raise InputError if a direction belongs to another generator; None fits any."""
    if found is not None and wanted is not None and found != wanted:
        raise InputError(
            f"direction {name} belongs to generator {found[:12]}, not to {wanted[:12]}: "
            "find it anew, or pass --any-generator (any_generator=True) to use it all the same"
        )


def cosine(one: Direction, other: Direction, covariance: Tensor | None = None) -> float:
    """Compute the cosine of two directions over the layers of the first, under a^T covariance^-1 b if one is given."""
    whiten, _ = one._root(covariance)
    a, b = (one.vector @ whiten).flatten(), (one._aligned(other) @ whiten).flatten()
    return float(a @ b / (a.norm() * b.norm()).clamp_min(1e-300))


def cosines(directions: Sequence[Direction]) -> Tensor:
    """Compute the cosine of every two directions, zero where one doesn't move a layer: N directions -> [N, N]."""
    check_same_space(directions)
    layers = sorted({layer for direction in directions for layer in direction.layers})
    moves = torch.zeros(len(directions), len(layers), directions[0].vector.shape[1], dtype=torch.float64)
    for move, direction in zip(moves, directions, strict=True):
        move[[layers.index(layer) for layer in direction.layers]] = direction.vector
    unit = torch.nn.functional.normalize(moves.flatten(1))
    return unit @ unit.t()


def check_same_space(directions: Sequence[Direction]) -> None:
    """Raise InputError if directions lie in different spaces, or in a space of different widths."""
    spaces = {type(direction): f"{direction.name} is in {direction.space.upper()}" for direction in directions}
    if len(spaces) > 1:
        raise InputError(f"directions of different spaces ({', '.join(spaces.values())}): give directions of one space")
    widths = {direction.widths: f"{direction.name} has {say_widths(direction.widths)}" for direction in directions}
    if len(widths) > 1:
        raise InputError(
            f"directions of different widths ({', '.join(widths.values())}) belong to different generators"
        )


def say_widths(widths: tuple[int, ...]) -> str:
    """Say the widths of a space's layers: one width alone, many by their number and sum."""
    return str(widths[0]) if len(widths) == 1 else f"{sum(widths)} channels in {len(widths)} style layers"
