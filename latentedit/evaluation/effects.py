"""Measure what an edit did: how far each rating moved, and how steadily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.direction import Direction
from latentedit.editing import sweep
from latentedit.networks import Generator
from latentedit.predictors import Assessor
from latentedit.rendering import render
from latentedit.statistics import spearman

ALPHAS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)


@dataclass(frozen=True)
class Effect:
    """How a sweep moved one rating, in standard deviations of the population that was not edited."""

    alphas: tuple[float, ...]  # in sigmas of the direction
    shifts: tuple[float, ...]  # mean over faces of (rating at alpha - rating at 0) / SD
    spearman: float  # mean over faces of the rank correlation between alpha and rating


@torch.no_grad()
def rate_population(
    generator: Generator, assessor: Assessor, ws: Tensor, chunk: int = 32, quiet: bool = True
) -> Tensor:
    """Render and rate latents in bounded memory: [..., num_ws, w_dim] -> [..., number of attributes]."""
    flat = ws.reshape(-1, *ws.shape[-2:])
    bar = tqdm(range(0, len(flat), chunk), desc="rating faces", unit="chunk", disable=quiet)
    ratings = torch.cat([assessor(render(generator, flat[i : i + chunk])) for i in bar])
    return ratings.reshape(*ws.shape[:-2], -1)


def measure_effects(
    generator: Generator,
    assessor: Assessor,
    direction: Direction,
    ws: Tensor,
    population_sd: Mapping[str, float],
    alphas: Sequence[float] = ALPHAS,
) -> dict[str, Effect]:
    """Sweep faces along a direction and measure each attribute named in `population_sd`: ws [N, num_ws, w_dim]."""
    unedited = rate_population(generator, assessor, ws)  # [N, K]
    ratings = rate_population(generator, assessor, sweep(ws, direction, alphas, unit="sigma").ws)  # [N, A, K]
    column = {name: assessor.attributes.index(name) for name in population_sd}
    return {
        name: summarise_effect(ratings[..., k], unedited[:, k], population_sd[name], alphas)
        for name, k in column.items()
    }


def summarise_effect(ratings: Tensor, unedited: Tensor, sd: float, alphas: Sequence[float]) -> Effect:
    """Reduce ratings [N, A] and those of the unedited faces [N] to an Effect."""
    shifts = ((ratings - unedited[:, None]) / sd).mean(dim=0)
    rank_correlations = spearman(np.array([alphas]), ratings.double().cpu().numpy())  # [N]
    return Effect(tuple(alphas), tuple(shifts.tolist()), float(rank_correlations.mean()))
