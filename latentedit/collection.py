"""The bundled directions of a generator: how each is found, conditioned, measured and written down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from latentedit.checkpoints import fingerprint
from latentedit.direction import Direction
from latentedit.discovery import calibrate, discover, discover_by_gradient
from latentedit.evaluation import measure_effects, rate_population
from latentedit.files import staged
from latentedit.latents import sample
from latentedit.library import SUFFIX, save_direction
from latentedit.networks import Generator
from latentedit.predictors import Assessor, AttributeScorer

FOUND = {  # direction: the attribute whose ratings it follows
    "w_sq": "memorable",
    "smile": "happy",
    "age": "age",
    "gender": "gender",
    "typical": "typical",
    "attractive": "attractive",
}
CONDITIONED = {  # direction: its parent and what it is projected off
    "cond_smile": ("w_sq", ("smile",)),
    "cond_age": ("w_sq", ("age",)),
    "cond_gender": ("w_sq", ("gender",)),
    "cond_typical": ("w_sq", ("typical",)),
    "cond_attractive": ("w_sq", ("attractive",)),
    "cond_traits": ("w_sq", ("smile", "age", "gender", "attractive")),
}
PAPER_PSI = 0.5  # w_sq follows the memorability paper: logistic regression on faces near the mean
FITTED = {"w_sq": PAPER_PSI, "typical": 1.0}  # by logistic regression, at which truncation; the others by gradient
NUM_GRADIENTS = 512
HELD_OUT_SEEDS = range(2_000_000, 2_000_064)  # faces that no direction was found on
TRUNCATION_PSI = 0.7  # of the faces that effects are measured on, as the commands render them


def build_collection(
    generator: Generator, assessor: Assessor, folder: Path, num_faces: int, quiet: bool = True
) -> dict[str, Direction]:
    """Find, condition, measure and write every direction of the collection; return them by name.

    `num_faces` is how many faces a logistic regression sees, seeds from 0 on.
    """
    collection = {name: _find(generator, assessor, name, num_faces, quiet) for name in FOUND}
    for name, (parent, conditions) in CONDITIONED.items():
        others = [collection[condition] for condition in conditions]
        collection[name] = calibrate(collection[parent].condition_on(others, name=name), generator)
    measured = measure_collection(generator, assessor, collection, population_sd(generator, assessor))
    write_collection(measured, folder, fingerprint(generator))
    return measured


def _find(generator: Generator, assessor: Assessor, name: str, num_faces: int, quiet: bool) -> Direction:
    """Find one direction from the ratings of its attribute."""
    scorer = AttributeScorer(assessor, FOUND[name])
    if name not in FITTED:
        ws = sample(generator, range(NUM_GRADIENTS))
        settings = {"seeds": f"0-{NUM_GRADIENTS - 1}", "truncation_psi": 1.0}
        return discover_by_gradient(generator, ws, scorer, name, settings, quiet=quiet)
    ws = sample(generator, range(num_faces), FITTED[name])
    ratings = rate_population(generator, assessor, ws, quiet=quiet)
    settings = {"seeds": f"0-{num_faces - 1}", "truncation_psi": FITTED[name], "scorer": scorer.name}
    scores = ratings[:, assessor.attributes.index(FOUND[name])]
    return discover(generator, ws, scores, name=name, provenance=settings)


def population_sd(generator: Generator, assessor: Assessor, num_faces: int = 1024) -> dict[str, float]:
    """Measure how widely each attribute of the collection varies over faces that nobody edited."""
    seeds = range(HELD_OUT_SEEDS.stop, HELD_OUT_SEEDS.stop + num_faces)
    sd = rate_population(generator, assessor, sample(generator, seeds, TRUNCATION_PSI)).std(dim=0)
    return {name: float(sd[assessor.attributes.index(name)]) for name in FOUND.values()}


def measure_collection(
    generator: Generator, assessor: Assessor, collection: Mapping[str, Direction], sd: Mapping[str, float]
) -> dict[str, Direction]:
    """Write into each direction's provenance what it does to held-out faces."""
    ws = sample(generator, HELD_OUT_SEEDS, TRUNCATION_PSI)
    return {name: _measured(generator, assessor, direction, ws, sd) for name, direction in collection.items()}


def _measured(
    generator: Generator, assessor: Assessor, direction: Direction, ws: Tensor, sd: Mapping[str, float]
) -> Direction:
    """Add the effects of one direction on faces ws [N, num_ws, w_dim] to its provenance."""
    effects = measure_effects(generator, assessor, direction, ws, sd)
    figures = {
        "seeds": f"{HELD_OUT_SEEDS.start}-{HELD_OUT_SEEDS.stop - 1}",
        "truncation_psi": TRUNCATION_PSI,
        "shift_in_sd": {
            name: {"-3 sigma": round(effect.shifts[0], 3), "+3 sigma": round(effect.shifts[-1], 3)}
            for name, effect in effects.items()
        },
        "spearman": {name: round(effect.spearman, 3) for name, effect in effects.items()},
    }
    return replace(direction, provenance={**direction.provenance, "effects": figures})


def write_collection(collection: Mapping[str, Direction], folder: Path, generator: str) -> None:
    """Write the directions' files and the index that says whose they are."""
    index = {"generator": generator, "directions": {name: _summary(name) for name in collection}}
    with staged(folder) as stage:
        for name, direction in collection.items():
            save_direction(direction, stage / f"{name}{SUFFIX}")
        (stage / "index.json").write_text(json.dumps(index, indent=2) + "\n")


def _summary(name: str) -> str:
    """Say in a few words what a direction follows."""
    if name in FOUND:
        return f"rated {FOUND[name]}"
    parent, conditions = CONDITIONED[name]
    return f"{parent} without {', '.join(conditions)}"
