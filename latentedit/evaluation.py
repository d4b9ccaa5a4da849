"""Measure what an edit did: how far each score moved, and how steadily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from scipy.stats import spearmanr
from torch import Tensor

from latentedit.direction import Direction
from latentedit.editing import sweep
from latentedit.networks import Generator
from latentedit.rendering import render
from latentedit.scoring import Scorer


@dataclass(frozen=True)
class Effect:
    """How a sweep moved one score, in standard deviations of the unedited population."""

    alphas: tuple[float, ...]
    shifts: tuple[float, ...]  # the mean over faces of (score at alpha - score at 0) / population's SD
    spearman: float  # the mean over faces of the rank correlation between alpha and score


def measure_effects(
    generator: Generator,
    direction: Direction,
    ws: Tensor,
    scorers: Mapping[str, Scorer],
    population_sd: Mapping[str, float],
    alphas: Sequence[float] = (-3, -2, -1, 0, 1, 2, 3),
) -> dict[str, Effect]:
    """Sweep faces along a direction, in its sigmas, and measure each score: ws [N, num_ws, w_dim] -> Effects."""
    images = render(generator, sweep(ws, direction, alphas, unit="sigma").ws)  # [N, A, 3, H, W]
    unedited = render(generator, ws)
    return {
        name: _summarise(scorer(images), scorer(unedited), population_sd[name], alphas)
        for name, scorer in scorers.items()
    }


def _summarise(scores: Tensor, before: Tensor, sd: float, alphas: Sequence[float]) -> Effect:
    """Reduce scores [N, A] and the unedited ones [N] to an Effect."""
    shifts = ((scores - before[:, None]) / sd).mean(dim=0)
    ranks = [float(spearmanr(alphas, row).statistic) for row in scores.cpu()]
    return Effect(tuple(alphas), tuple(shifts.tolist()), sum(ranks) / len(ranks))


def score_population(generator: Generator, ws: Tensor, scorers: Mapping[str, Scorer], quiet: bool = True) -> Tensor:
    """Render and score a population: ws [N, num_ws, w_dim] -> scores [N, number of scorers], in the scorers' order."""
    images = render(generator, ws, quiet=quiet)
    return torch.stack([scorer(images) for scorer in scorers.values()], dim=1)
