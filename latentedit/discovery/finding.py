"""From latents and their scores to a direction, by any method."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentedit.checkpoints import fingerprint
from latentedit.direction import SMALLEST_SHARE, Direction, Space
from latentedit.discovery.coordinates import Coordinates, choose_coordinates
from latentedit.discovery.examples import Examples, Hyperplane, Method
from latentedit.discovery.gradient import average_gradients, steer
from latentedit.discovery.labels import label_scores
from latentedit.discovery.logistic import fit_logistic
from latentedit.discovery.mean_difference import fit_mean_difference
from latentedit.discovery.partial_least_squares import fit_partial_least_squares
from latentedit.discovery.ridge import fit_ridge
from latentedit.discovery.svm import fit_svm
from latentedit.errors import InputError
from latentedit.latents import one_hot, sample_z
from latentedit.networks import Generator
from latentedit.scoring import Scorer
from latentedit.spaces import make_direction
from latentedit.statistics import spearman, wilson_interval

METHODS: dict[str, Method] = {
    "logistic": fit_logistic,
    "svm": fit_svm,
    "ridge": fit_ridge,
    "pls": fit_partial_least_squares,
    "mean": fit_mean_difference,
}
EXTREMES = {"svm": "quantile:0.1"}  # the labels that a method is meant for, where not the mean
FEWEST = 20  # faces
POPULATION_SEEDS = range(1_000_000, 1_004_096)  # W's population without truncation, for sigma


def discover(
    generator: Generator,
    ws: Tensor,
    scores: Tensor,
    method: str = "logistic",
    name: str = "direction",
    provenance: Mapping[str, Any] | None = None,
    class_index: int | None = None,
    space: Space = "w",
    layers: tuple[int, ...] | None = None,
    labels: str | None = None,
    seed: int = 42,
) -> Direction:
    """Find the direction along which scores rise: latents of N faces, scores [N] -> Direction.

    `ws` are the latents of `space`: z [N, z_dim]; for W, w [N, w_dim] or ws [N, num_ws, w_dim] of equal
    rows; for W+, ws of any rows; for S, styles [N, num_styles]. The direction moves `layers`, all by
    default. `labels` says which scores are high: `mean`, `median` or `quantile:Q` (default: mean, for
    svm the outer tenths). A tenth of the faces is held out, as `seed` draws them, and the provenance
    says how many of these fall on the right side, with Wilson's 95 % interval. sigma is measured on
    4,096 faces without truncation, and an alpha counts sigmas unless the caller says otherwise.
    Raises InputError on scores or latents that nothing can be learned from.
    """
    if method not in METHODS:
        raise InputError(f"method {method!r} is not known: choose one of {', '.join(METHODS)}")
    coordinates = choose_coordinates(generator.config, space, layers)
    rule = labels or EXTREMES.get(method, "mean")
    plane, figures = fit_held_out(gather(coordinates, ws, scores, rule), METHODS[method], rule, seed)
    facts = {"method": method, **figures, **(provenance or {})}
    found = assemble(generator, name, torch.from_numpy(plane.normal), coordinates, facts)
    return calibrate(found, generator, class_index)


def gather(coordinates: Coordinates, latents: Tensor, scores: Tensor, rule: str) -> Examples:
    """Check latents [N, ...] and scores [N], lay them out as rows and label them."""
    if scores.shape != latents.shape[:1] or len(scores) < FEWEST:
        raise InputError(
            f"latents {list(latents.shape)} and scores {list(scores.shape)}: "
            f"give one score for each face, and at least {FEWEST} faces"
        )
    rows = coordinates.flatten(latents)
    if not torch.isfinite(scores).all() or not torch.isfinite(rows).all():
        raise InputError("a score or a latent is not finite: leave those faces out")
    if scores.min() == scores.max():
        raise InputError(f"all {len(scores)} scores are {float(scores[0]):g}: no direction can be found from them")
    values = scores.cpu().double().numpy()
    return Examples(rows.cpu().numpy(), values, label_scores(values, rule), coordinates.copies)


def fit_held_out(examples: Examples, method: Method, rule: str, seed: int = 42) -> tuple[Hyperplane, dict[str, Any]]:
    """Fit nine tenths of the faces and judge on the rest: -> the hyperplane, and its figures fit for JSON."""
    held_out = np.random.default_rng(seed).permutation(len(examples.x)) < len(examples.x) // 10
    fitted, rest = examples.split(held_out)
    low, high = (int((fitted.labelled()[1] == side).sum()) for side in (False, True))
    if min(low, high) < 2 or not rest.labels.kept.any():
        raise InputError(f"labels {rule!r} leave {low} low and {high} high faces to learn from: give more faces")
    plane = method(fitted)
    return plane, {
        "labels": rule,
        **plane.settings,
        "num_faces": len(examples.x),
        "mean_score": float(examples.scores.mean()),
        "sd_score": float(examples.scores.std()),
        **judge(plane, rest),
    }


def judge(plane: Hyperplane, held_out: Examples) -> dict[str, Any]:
    """Say on which faces' side a hyperplane is right: the share with its interval, and what guessing would give."""
    x, high = held_out.labelled()
    right = int(((plane.signed_distances(x) > 0) == high).sum())
    return {
        "hold_out_faces": len(high),
        "hold_out_accuracy": right / len(high),
        "hold_out_interval": list(wilson_interval(right, len(high))),
        "guessing_accuracy": float(max(high.mean(), 1 - high.mean())),
        "hold_out_spearman": float(spearman(plane.signed_distances(held_out.x), held_out.scores)),
    }


def discover_by_gradient(
    generator: Generator,
    ws: Tensor,
    scorer: Scorer,
    name: str = "direction",
    provenance: Mapping[str, Any] | None = None,
    class_index: int | None = None,
    quiet: bool = True,
    keep: Sequence[Scorer] = (),
    metric: Tensor | None = None,
) -> Direction:
    """Find the direction in W along which a differentiable scorer rises fastest: ws [N, num_ws, w_dim] -> Direction.

    It is the gradient averaged over the faces ws; a few hundred of them do. The scores `keep` do not
    change along it to first order, in the mean over these faces. `metric` [w_dim, w_dim] says what
    counts as fast: by default all ways are alike; a root or all of W's covariance
    (`measure_covariance`) leads where the population varies. sigma as in `discover`.
    """
    gradients = average_gradients(generator, [scorer, *keep], ws, quiet=quiet)
    normal = gradients[0]
    if keep or metric is not None:
        normal = steer(normal, gradients[1:], torch.eye(len(normal)).double() if metric is None else metric)
        if float(normal @ gradients[0]) <= SMALLEST_SHARE * float(normal.norm() * gradients[0].norm()):
            kept = ", ".join(other.name for other in keep)
            raise InputError(f"{name}: nothing raises {scorer.name} and keeps {kept}: keep fewer scores, or others")
    figures: dict[str, Any] = {"method": "gradient", "num_faces": len(ws), "scorer": scorer.name}
    if keep:
        figures["kept_scores"] = [other.name for other in keep]
    coordinates = choose_coordinates(generator.config, "w", None)
    found = assemble(generator, name, normal, coordinates, {**figures, **(provenance or {})})
    return calibrate(found, generator, class_index)


def assemble(
    generator: Generator,
    name: str,
    normal: Tensor,
    coordinates: Coordinates,
    provenance: Mapping[str, Any],
) -> Direction:
    """Make a direction of a normal [D] among a space's coordinates, normalised; sigma is still to be measured."""
    only_of_styles = {"style_widths": coordinates.style_widths} if coordinates.space == "s" else {}
    direction = make_direction(
        coordinates.space,
        name,
        coordinates.shape(normal),
        coordinates.layers,
        unit="sigma",
        generator=fingerprint(generator),
        provenance={"date": datetime.date.today().isoformat(), **provenance},
        **only_of_styles,
    )
    return direction.normalized()


def calibrate(direction: Direction, generator: Generator, class_index: int | None = None) -> Direction:
    """Measure the direction's sigma on the generator's population, of one class where it is conditional."""
    return direction.calibrated(sample_population(generator, direction.space, class_index))


@torch.no_grad()
def sample_population(generator: Generator, space: Space, class_index: int | None = None) -> Tensor:
    """Draw the 4,096 faces without truncation that sigma is measured on: -> z, ws or styles [N, ...].

    They are mapped all at once, in a fraction of the time that `sample` takes to map each alone.
    """
    z = sample_z(POPULATION_SEEDS, generator.config.z_dim)
    if space == "z":
        return z
    label = one_hot(generator, class_index).expand(len(z), -1)
    device = generator.mapping.w_avg.device
    ws = generator.map(z.to(device), label.to(device))
    return generator.synthesis.make_styles(ws) if space == "s" else ws


def measure_covariance(generator: Generator, class_index: int | None = None) -> Tensor:
    """Measure how W's population varies: a generator -> covariance [w_dim, w_dim] in float64, of 4,096 faces."""
    ws = sample_population(generator, "w", class_index)
    return torch.cov(ws[:, 0].cpu().double().t())
