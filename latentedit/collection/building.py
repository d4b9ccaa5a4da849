"""Find, condition, measure and write the bundled directions."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentedit.checkpoints import fingerprint
from latentedit.collection.recipes import (
    CONDITIONED,
    FOUND,
    HELD_OUT_SEEDS,
    NAMES,
    STEADIED,
    STEPS,
    TRUNCATION_PSI,
    attribute_of,
    summarise,
)
from latentedit.direction import Direction, check_same_generator, cosines
from latentedit.discovery import calibrate, discover, discover_by_gradient, steady
from latentedit.editing import edit
from latentedit.errors import InputError
from latentedit.evaluation import measure_effects, rate_population
from latentedit.files import staged
from latentedit.latents import sample
from latentedit.library import SUFFIX, read_direction, save_direction
from latentedit.networks import Generator
from latentedit.predictors import Assessor, AttributeScorer
from latentedit.scoring import RenderedScorer, score_faces
from latentedit.statistics import wilson_interval

NUM_GRADIENTS = 512
NUM_UNEDITED = 1024
MEASURED = ("cosines", "effects", "held_out")  # keys of provenance that come last


def build_collection(
    generator: Generator,
    assessor: Assessor,
    folder: Path,
    num_faces: int,
    only: Collection[str] = NAMES,
    quiet: bool = True,
) -> dict[str, Direction]:
    """Find, condition, measure and write every direction of the collection; return them by name.

    `num_faces` is how many faces a direction is fitted to, seeds from 0 on, where it is no gradient.
    Those that are not among `only` stay as they are in the folder, but for their cosines.
    """
    if unknown := set(only) - set(NAMES):
        raise InputError(
            f"{', '.join(sorted(unknown))}: no direction of the collection, choose from {', '.join(NAMES)}"
        )
    stored = {name: _read_stored(generator, folder, name) for name in NAMES if name not in only}
    collection: dict[str, Direction] = {}
    for name in NAMES:
        collection[name] = stored.get(name) or _make(generator, assessor, name, collection, num_faces, quiet)
    measured = measure_collection(generator, assessor, collection, only)
    write_collection(measured, folder, fingerprint(generator))
    return measured


def _read_stored(generator: Generator, folder: Path, name: str) -> Direction:
    """Read a direction that was built before, for the same generator."""
    path = folder / f"{name}{SUFFIX}"
    if not path.exists():
        raise InputError(f"{path} is not there: build all directions, not only some")
    direction = read_direction(path)
    check_same_generator(name, direction.generator, fingerprint(generator))
    return direction


def _make(
    generator: Generator,
    assessor: Assessor,
    name: str,
    collection: Mapping[str, Direction],
    num_faces: int,
    quiet: bool,
) -> Direction:
    """Make one direction, from those that come before it where it is conditioned."""
    if name in FOUND:
        leader = collection.get(FOUND[name].leader or "")
        return _find(generator, assessor, name, leader, num_faces, quiet)
    if name in CONDITIONED:
        parent, conditions = CONDITIONED[name]
        others = [collection[condition] for condition in conditions]
        return calibrate(_unmeasured(collection[parent]).condition_on(others, name=name), generator)
    parent, kept = STEADIED[name]
    return _steady(generator, assessor, _unmeasured(collection[parent]), name, kept, quiet)


def _unmeasured(direction: Direction) -> Direction:
    """Drop what was measured of a direction once it was found."""
    found = {key: value for key, value in direction.provenance.items() if key not in MEASURED}
    return replace(direction, provenance=found)


def _find(
    generator: Generator, assessor: Assessor, name: str, leader: Direction | None, num_faces: int, quiet: bool
) -> Direction:
    """Find one direction by its recipe."""
    recipe = FOUND[name]
    seeds = range(NUM_GRADIENTS if recipe.method == "gradient" else num_faces)
    ws = sample(generator, seeds, recipe.truncation_psi)
    scorer = RenderedScorer(AttributeScorer(assessor, recipe.attribute), recipe.rendering)
    settings = {
        "seeds": f"0-{seeds.stop - 1}",
        "truncation_psi": recipe.truncation_psi,
        "scorer": scorer.name,
        "rendering": recipe.rendering,
    }
    if leader:
        ws, settings = _lead(ws, leader), settings | {"leader": leader.name, "steps_in_sigma": STEPS}
    if recipe.method == "gradient":
        return discover_by_gradient(generator, ws, scorer, name, settings, quiet=quiet)
    scores = score_faces(generator, scorer, ws, quiet=quiet)[:, 0]
    return discover(generator, ws, scores, recipe.method, name, settings)


def _lead(ws: Tensor, leader: Direction) -> Tensor:
    """Take faces along a direction, by each of STEPS in turn: [N, num_ws, w_dim] -> same."""
    parts = [edit(ws[i :: len(STEPS)], leader, alpha, unit="sigma") for i, alpha in enumerate(STEPS)]
    return torch.cat(parts)


def _steady(
    generator: Generator, assessor: Assessor, parent: Direction, name: str, kept: tuple[str, ...], quiet: bool
) -> Direction:
    """Turn a direction so that ratings stay put where its own has gained, on faces as the commands render them."""
    ws = sample(generator, range(NUM_GRADIENTS), TRUNCATION_PSI)
    scorer, *others = (AttributeScorer(assessor, attribute) for attribute in (attribute_of(name), *kept))
    settings = {"seeds": f"0-{NUM_GRADIENTS - 1}", "truncation_psi": TRUNCATION_PSI}
    return steady(generator, parent, ws, scorer, others, name=name, provenance=settings, quiet=quiet)


@dataclass(frozen=True)
class Unedited:
    """Faces that nobody edited and no direction was found on: w [N, w_dim] and ratings [N, K] of K attributes."""

    w: Tensor
    ratings: Tensor
    attributes: tuple[str, ...]

    def sd(self) -> dict[str, float]:
        """How widely each attribute varies."""
        return dict(zip(self.attributes, self.ratings.std(dim=0).tolist(), strict=True))

    def judge(self, direction: Direction, attribute: str) -> dict[str, Any]:
        """Say for how many faces the direction tells whether they are rated above the median, with the interval."""
        along = self.w.double() @ direction.vector[0].double()
        rating = self.ratings[:, self.attributes.index(attribute)].double()
        right = int(((along > along.median()) == (rating > rating.median())).sum())
        return {"faces": len(along), "accuracy": right / len(along), "interval": wilson_interval(right, len(along))}


def rate_unedited(generator: Generator, assessor: Assessor, num_faces: int = NUM_UNEDITED) -> Unedited:
    """Draw and rate the faces behind those of HELD_OUT_SEEDS."""
    ws = sample(generator, range(HELD_OUT_SEEDS.stop, HELD_OUT_SEEDS.stop + num_faces), TRUNCATION_PSI)
    return Unedited(ws[:, 0], rate_population(generator, assessor, ws), tuple(assessor.attributes))


def measure_collection(
    generator: Generator, assessor: Assessor, collection: Mapping[str, Direction], only: Collection[str] = NAMES
) -> dict[str, Direction]:
    """Write into provenances the cosines with the others and, of those in `only`, what they do to held-out faces."""
    ws = sample(generator, HELD_OUT_SEEDS, TRUNCATION_PSI)
    unedited = rate_unedited(generator, assessor)
    measured = {}
    for name, between in _tabulate_cosines(collection).items():
        facts = {**collection[name].provenance, "cosines": between}
        if name in only:
            facts["effects"] = _measure(generator, assessor, collection[name], ws, unedited)
            facts["held_out"] = unedited.judge(collection[name], attribute_of(name))
        measured[name] = replace(collection[name], provenance=facts)
    return measured


def _measure(
    generator: Generator, assessor: Assessor, direction: Direction, ws: Tensor, unedited: Unedited
) -> dict[str, Any]:
    """Measure the effects of one direction on faces ws [N, num_ws, w_dim]."""
    effects = measure_effects(generator, assessor, direction, ws, unedited.sd())
    return {
        "seeds": f"{HELD_OUT_SEEDS.start}-{HELD_OUT_SEEDS.stop - 1}",
        "truncation_psi": TRUNCATION_PSI,
        "shift_in_sd": {
            name: {"-3 sigma": round(effect.shifts[0], 3), "+3 sigma": round(effect.shifts[-1], 3)}
            for name, effect in effects.items()
        },
        "spearman": {name: round(effect.spearman, 3) for name, effect in effects.items()},
    }


def _tabulate_cosines(collection: Mapping[str, Direction]) -> dict[str, dict[str, float]]:
    """Compute the cosine of every direction with every other."""
    table = cosines(list(collection.values())).tolist()
    return {
        name: {other: round(value, 4) for other, value in zip(collection, row, strict=True) if other != name}
        for name, row in zip(collection, table, strict=True)
    }


def write_collection(collection: Mapping[str, Direction], folder: Path, generator: str) -> None:
    """Write the directions' files and the index that says whose they are."""
    index = {"generator": generator, "directions": {name: summarise(name) for name in collection}}
    with staged(folder) as stage:
        for name, direction in collection.items():
            save_direction(direction, stage / f"{name}{SUFFIX}")
        (stage / "index.json").write_text(json.dumps(index, indent=2) + "\n")
