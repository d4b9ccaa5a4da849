"""Edits that hold other scores where they are: a direction, bent at every face so that they stay put in the image."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.direction import Direction
from latentedit.editing import Sweep, choose_moved, to_raw
from latentedit.errors import InputError
from latentedit.networks import Generator
from latentedit.predictors import score_together
from latentedit.scoring import Scorer
from latentedit.vocabulary import Unit

STEP = 0.5  # of alpha's unit: how far a face goes before gradients are taken again
CHUNK = 8  # faces at a time
SMALLEST_PART = 1e-6  # of the conditions' largest gradient: less of one is taken for none


@dataclass(frozen=True, eq=False)
class Holding:
    """An edit along a direction that holds scores: every step is v - M C^T (C M C^T)^-1 (C v + d).

    C are the gradients of the scores at the face as it has become, through generator and scorers; d
    is how far they have drifted from the face before the edit, so that what one step leaves the next
    mends; M is the metric that says which correction is least: `covariance` [w_dim, w_dim] of W's
    population (`measure_covariance`) for the likeliest one, the identity by default. Along a
    direction in W the path stays in W, in W+ every moved row has its own gradients. It takes one
    backward pass a score, face and step: right where a score must stay put in the image itself; one
    direction that serves every face is `Direction.condition_on`.
    """

    generator: Generator
    direction: Direction
    scorers: Sequence[Scorer]
    covariance: Tensor | None = None

    def __post_init__(self) -> None:
        if self.direction.space[0] != "w":
            raise InputError(
                f"direction {self.direction.name} moves {self.direction.space}: scores are held in W or W+"
            )
        if not self.scorers:
            raise InputError(f"direction {self.direction.name}: no score to hold, name at least one")

    @property
    def name(self) -> str:
        """The direction's, and what it holds."""
        held = (scorer.name.rpartition(":")[2] for scorer in self.scorers)
        return f"{self.direction.name} holding {', '.join(held)}"

    def sweep(
        self,
        ws: Tensor,
        alphas: Sequence[float],
        layers: Sequence[int] | None = None,
        unit: Unit | None = None,
        quiet: bool = True,
    ) -> Sweep:
        """Move every face to every alpha, from 0 outwards: [N, num_ws, w_dim] -> Sweep of [N, num_alphas, ...]."""
        moved = choose_moved(self.direction, ws, alphas, layers)
        parts = tqdm(torch.split(ws, CHUNK), desc=f"holding {len(self.scorers)} scores", disable=quiet)
        latents = torch.cat([self._sweep_part(part, alphas, moved, unit) for part in parts])
        return Sweep(latents, self.direction, tuple(map(float, alphas)), unit or self.direction.unit)

    def _sweep_part(self, ws: Tensor, alphas: Sequence[float], layers: tuple[int, ...], unit: Unit | None) -> Tensor:
        """Walk to the alphas above 0 and to those below: [n, num_ws, w_dim] -> [n, num_alphas, num_ws, w_dim]."""
        start, _ = self._differentiate(ws, layers)
        reached = {0.0: ws}
        for side in (1.0, -1.0):
            stops = sorted({abs(alpha) for alpha in alphas if alpha * side > 0})
            moved, at = ws, 0.0
            for stop in stops:
                num_steps = math.ceil((stop - at) / STEP - 1e-9)
                stride = to_raw(self.direction, side * (stop - at) / num_steps, unit)
                for size in itertools.chain(itertools.repeat(stride, num_steps), [0.0]):  # the last one only mends
                    moved = self._step(moved, start, size, layers)
                reached[side * stop], at = moved, stop
        return torch.stack([reached[alpha + 0.0] for alpha in alphas], dim=1)

    def _step(self, ws: Tensor, start: Tensor, size: float, layers: tuple[int, ...]) -> Tensor:
        """Take one step along the direction and mend what the scores would change, or have changed."""
        scores, gradients = self._differentiate(ws, layers)  # [n, K], [n, K, R, D]
        rows = torch.stack([self.direction.vector[self.direction.layers.index(layer)] for layer in layers])
        wanted = size * rows
        pull = gradients if self.covariance is None else gradients @ self.covariance.to(gradients)
        gram = torch.einsum("nkrd,njrd->nkj", gradients, pull)
        missed = (gradients * self._tie(wanted).to(gradients)).sum(dim=[2, 3]) + scores - start
        weights = torch.linalg.pinv(gram, rtol=SMALLEST_PART, hermitian=True) @ missed[..., None]
        correction = (weights[..., None] * pull).sum(dim=1)  # [n, R, D]
        moved = ws.clone()
        moved[:, list(layers)] += wanted.to(ws) - correction.to(ws)
        return moved

    def _tie(self, rows: Tensor) -> Tensor:
        """Take the one row that all layers share in W: [R, D] -> [1, D], or in W+ all of them."""
        return rows[:1] if self.direction.space == "w" else rows

    def _differentiate(self, ws: Tensor, layers: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Score faces and follow the gradients back: [n, num_ws, w_dim] -> [n, K] and [n, K, R, w_dim], in float64.

        R is 1 in W, where all moved rows are one, and their number in W+.
        """
        with torch.enable_grad():
            variable = ws.detach().requires_grad_()
            images = self.generator.synthesis(variable).clamp(-1, 1)  # as it is rendered
            scores = score_together(self.scorers, images)
            follow = [torch.autograd.grad(column.sum(), variable, retain_graph=True)[0] for column in scores.unbind(1)]
        gradients = torch.stack(follow, dim=1)[:, :, list(layers)].cpu().double()  # not every GPU has float64
        tied = gradients.sum(dim=2, keepdim=True) if self.direction.space == "w" else gradients
        return scores.detach().cpu().double(), tied
