"""From latents and their scores to a direction, by any method."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentedit.checkpoints import fingerprint
from latentedit.direction import Direction
from latentedit.discovery.gradient import average_gradient
from latentedit.discovery.logistic import fit_logistic
from latentedit.errors import InputError
from latentedit.latents import sample, sample_z, to_styles
from latentedit.networks import Generator
from latentedit.scoring import Scorer

Method = Callable[[np.ndarray, np.ndarray, int], tuple[Tensor, dict[str, Any]]]
METHODS: dict[str, Method] = {"logistic": fit_logistic}
POPULATION_SEEDS = range(1_000_000, 1_004_096)  # W's population without truncation, for sigma


def discover(
    generator: Generator,
    ws: Tensor,
    scores: Tensor,
    method: str = "logistic",
    name: str = "direction",
    provenance: Mapping[str, Any] | None = None,
    class_index: int | None = None,
) -> Direction:
    """Find the direction in W along which scores rise: ws [N, num_ws, w_dim], scores [N] -> Direction.

    The rows of each ws must be equal (W, not W+). sigma is measured on 4,096 faces of W's population,
    and an alpha counts sigmas unless the caller says otherwise. `provenance` is put beside the method's own figures.
    """
    if method not in METHODS:
        raise InputError(f"method {method!r} is not known: choose one of {', '.join(METHODS)}")
    if ws.ndim != 3 or scores.shape != ws.shape[:1] or len(ws) < 20:
        raise InputError(f"ws {list(ws.shape)} and scores {list(scores.shape)}: [N, num_ws, w_dim] and [N], N >= 20")
    if scores.min() == scores.max():
        raise InputError(f"all {len(scores)} scores are {float(scores[0]):g}: no direction can be found from them")
    if not torch.isfinite(scores).all() or not torch.isfinite(ws).all():
        raise InputError("a score or a latent is not finite: leave those faces out")
    if not torch.equal(ws, ws[:, :1].expand_as(ws)):
        raise InputError("the rows of some ws differ (W+, or truncated up to a cutoff): give latents in W")
    w = ws[:, 0].cpu().double().numpy()
    normal, figures = METHODS[method](w, scores.cpu().double().numpy(), generator.config.num_ws)
    return _make(generator, name, normal, {"method": method, **figures, **(provenance or {})}, class_index)


def discover_by_gradient(
    generator: Generator,
    ws: Tensor,
    scorer: Scorer,
    name: str = "direction",
    provenance: Mapping[str, Any] | None = None,
    class_index: int | None = None,
    quiet: bool = True,
) -> Direction:
    """Find the direction in W along which a differentiable scorer rises fastest: ws [N, num_ws, w_dim] -> Direction.

    It is the gradient averaged over the faces ws; a few hundred of them do. sigma as in `discover`.
    """
    normal = average_gradient(generator, scorer, ws, quiet=quiet)
    figures = {"method": "gradient", "num_faces": len(ws), "scorer": scorer.name}
    return _make(generator, name, normal, {**figures, **(provenance or {})}, class_index)


def _make(
    generator: Generator, name: str, normal: Tensor, provenance: dict[str, Any], class_index: int | None
) -> Direction:
    """Repeat a normal [w_dim] for every layer, normalise and calibrate."""
    num_ws = generator.config.num_ws
    direction = Direction(
        name,
        normal.repeat(num_ws, 1),
        tuple(range(num_ws)),
        unit="sigma",
        generator=fingerprint(generator),
        provenance={"date": datetime.date.today().isoformat(), **provenance},
    )
    return calibrate(direction.normalized(), generator, class_index)


def calibrate(direction: Direction, generator: Generator, class_index: int | None = None) -> Direction:
    """Measure the direction's sigma on the generator's population, of one class where it is conditional."""
    if direction.space == "z":
        return direction.calibrated(sample_z(POPULATION_SEEDS, generator.config.z_dim))
    ws = sample(generator, POPULATION_SEEDS, class_index=class_index)
    return direction.calibrated(to_styles(generator, ws) if direction.space == "s" else ws)
