"""A direction turned until other scores stay put in the mean over faces, at the length of a whole step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.direction import SMALLEST_SHARE, Direction
from latentedit.discovery.coordinates import choose_coordinates
from latentedit.discovery.finding import FEWEST, assemble, calibrate
from latentedit.discovery.gradient import average_gradients, steer
from latentedit.errors import InputError
from latentedit.networks import Generator
from latentedit.predictors import score_together
from latentedit.rendering import render
from latentedit.scoring import Scorer

GAIN = 1.2  # standard deviations of the score that a step shall raise
NUM_ROUNDS = 12
TOLERANCE = 0.01  # standard deviations by which the gain and each kept score may still be off


def steady(
    generator: Generator,
    direction: Direction,
    ws: Tensor,
    scorer: Scorer,
    keep: Sequence[Scorer],
    gain: float = GAIN,
    name: str | None = None,
    provenance: Mapping[str, Any] | None = None,
    class_index: int | None = None,
    quiet: bool = True,
) -> Direction:
    """Turn a direction in W until the scores `keep` stay put where `scorer` has gained: n <- n - C^+ m.

    Projection holds scores to first order, at the start of a step. Here m [K] are the mean changes of
    the kept scores over the faces ws [N, num_ws, w_dim], measured where `scorer` has risen by `gain`,
    and C [K, w_dim] their average gradients at the faces: Newton's method with a fixed Jacobian, to
    .01 standard deviations over these faces. It is a mean that stays; single faces change both ways
    (`Holding` bends the path at each), and half a step or one back is not what was measured. The
    scorers must be differentiable. Raises InputError where nothing is left.
    """
    _check_request(generator, direction, ws, keep, gain)
    scorers = [scorer, *keep]
    before = _rate(generator, scorers, ws)
    sd = _spread(before, scorers)
    slopes = average_gradients(generator, scorers, ws, quiet=quiet) / sd[:, None]
    step = _begin(direction, slopes, scorers, gain)
    mend, goal = torch.linalg.pinv(slopes[1:]), torch.tensor([gain, *[0.0] * len(keep)]).double()
    for _ in tqdm(range(NUM_ROUNDS), desc=f"steadying {direction.name}", unit="round", disable=quiet):
        changes = (_rate(generator, scorers, ws + step.to(ws)) - before).mean(dim=0) / sd
        if float((changes - goal).abs().max()) <= TOLERANCE:
            facts = _describe(direction, scorers, changes, step, len(ws)) | dict(provenance or {})
            coordinates = choose_coordinates(generator.config, "w", None)
            found = assemble(generator, name or f"{direction.name}_steady", step, coordinates, facts)
            return calibrate(found, generator, class_index)
        step = (step - mend @ changes[1:]) * (gain / max(float(changes[0]), gain / 2))
    raise InputError(
        f"{direction.name}: no step raises {scorer.name} by {gain:g} SD and keeps {_names(keep)}, "
        f"which change by up to {float(changes[1:].abs().max()):.2g}: ask for a smaller gain, or keep fewer"
    )


def _check_request(generator: Generator, direction: Direction, ws: Tensor, keep: Sequence[Scorer], gain: float) -> None:
    """Raise InputError for what cannot be steadied."""
    if direction.space != "w" or len(direction.layers) != generator.config.num_ws:
        raise InputError(f"direction {direction.name}: give one in W that moves all {generator.config.num_ws} layers")
    choose_coordinates(generator.config, "w", None).flatten(ws)  # which refuses rows that differ
    if not keep or not gain > 0:
        raise InputError(f"direction {direction.name}, gain {gain:g}: name a score to keep, and a gain above 0")
    if len(ws) < FEWEST:
        raise InputError(f"{len(ws)} faces to measure on: give at least {FEWEST}")


@torch.no_grad()
def _rate(generator: Generator, scorers: Sequence[Scorer], ws: Tensor, chunk: int = 32) -> Tensor:
    """Score faces: [N, num_ws, w_dim] -> [N, K] in float64."""
    return (
        torch.cat([score_together(scorers, render(generator, part)) for part in torch.split(ws, chunk)]).cpu().double()
    )


def _spread(scores: Tensor, scorers: Sequence[Scorer]) -> Tensor:
    """Measure standard deviations over faces: [N, K] -> [K]."""
    sd = scores.std(dim=0)
    for scorer, spread in zip(scorers, sd.tolist(), strict=True):
        if not spread > 0:
            raise InputError(f"{scorer.name} gives every face the same score: leave it out")
    return sd


def _begin(direction: Direction, slopes: Tensor, scorers: Sequence[Scorer], gain: float) -> Tensor:
    """Take the part of a direction that keeps scores to first order, at the length of the wanted gain."""
    row, identity = direction.vector[0], torch.eye(slopes.shape[1]).double()
    part = steer(row, slopes[1:], identity)
    slope = float(slopes[0] @ part)
    if slope <= SMALLEST_SHARE * float(slopes[0].norm() * row.norm()):
        kept = _names(scorers[1:])
        raise InputError(
            f"{direction.name}: nothing of it raises {scorers[0].name} and keeps {kept}: keep fewer scores"
        )
    return part * (gain / slope)


def _describe(
    direction: Direction, scorers: Sequence[Scorer], changes: Tensor, step: Tensor, num_faces: int
) -> dict[str, Any]:
    """Say how a direction came about, fit for JSON."""
    return {
        "method": "steadied",
        "parents": [direction.name],
        "num_faces": num_faces,
        "scorer": scorers[0].name,
        "kept_scores": [scorer.name for scorer in scorers[1:]],
        "step": float(step.norm()),  # in rows of the vector, where the changes were measured
        "changes_in_sd": {scorer.name: round(c, 4) for scorer, c in zip(scorers, changes.tolist(), strict=True)},
        "parent_provenance": direction.provenance,
    }


def _names(scorers: Sequence[Scorer]) -> str:
    return ", ".join(scorer.name for scorer in scorers)
