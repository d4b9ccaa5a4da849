"""Which layers of ws carry an edit: one at a time, all but one, and ranges, at equal length and at equal distance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from tqdm import tqdm

from latentedit.direction import Direction
from latentedit.errors import InputError
from latentedit.evaluation.curves import find_crossings, read_at
from latentedit.evaluation.edits import AlongDirection, Faces, draw_faces, go_along
from latentedit.evaluation.measurement import Judge, Yardstick, find_target
from latentedit.evaluation.proof import FEWEST, FRESH_SEEDS, POPULATION_SEEDS
from latentedit.evaluation.similarity import ms_ssim
from latentedit.networks import Generator
from latentedit.statistics import Estimate, Floats, resample_faces, summarise_resamples

SHARES = (0.0, 0.5, 1.0, 2.0, 4.0)  # of the full edit's length, that parts are measured at
FULL = SHARES.index(1.0)


@dataclass(frozen=True)
class LayerEffect:
    """What some layers of an edit do, means over faces."""

    kind: str  # `only`, `without`, `up to` or `from` the layer
    layer: int
    change: Estimate  # of the target, SD, where the part is as long as the full edit
    distance: Estimate  # 1 - MS-SSIM there
    change_at_distance: Estimate  # of the target, SD, where the part changes the picture as much as the full edit


def analyse_layers(
    generator: Generator,
    direction: Direction,
    judge: Judge,
    target: str = "memorable",
    alpha: float = 3.0,
    seeds: Sequence[int] = FRESH_SEEDS,
    truncation_psi: float = 0.7,
    population: Sequence[int] = POPULATION_SEEDS,
    class_index: int | None = None,
    chunk: int = 8,
    quiet: bool = True,
) -> list[LayerEffect]:
    """Measure parts of an edit by `alpha` sigmas: each layer only, all without it, all up to it, all from it on.

    A part is first made as long as the full edit over all its rows, ||dw||, then as long as it takes for
    the mean of 1 - MS-SSIM to be the full edit's; no number where four times that length does not
    suffice. All else is as in `evaluate`.
    """
    if direction.space[0] != "w" or len(direction.layers) < 2:
        raise InputError(f"direction {direction.name} moves {direction.space}: give one of several layers of W or W+")
    if min(len(seeds), len(population)) < FEWEST:
        raise InputError(f"{len(seeds)} faces, {len(population)} for the population: give at least {FEWEST} of each")
    (place,) = find_target([judge], target)
    others = draw_faces(generator, population, truncation_psi, class_index)
    yardstick = Yardstick.measure(generator, [judge], others, chunk, quiet)
    yardstick.check_target(target)
    faces = draw_faces(generator, seeds, truncation_psi, class_index)
    edit = go_along(generator, direction, class_index)
    whole = _measure(edit, faces, alpha, yardstick, place, chunk)
    limit = float(whole[:, FULL, 1].mean())
    effects = []
    for kind, layer, layers in tqdm(list(split_layers(direction.layers)), desc="layers", unit="part", disable=quiet):
        part = replace(edit, direction=stretch(edit.direction, layers))
        effects.append(summarise(kind, layer, _measure(part, faces, alpha, yardstick, place, chunk), limit))
    return effects


def split_layers(layers: Sequence[int]) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    """List the parts of an edit: what they are called, the layer that they are about, and the layers that they move."""
    for i, layer in enumerate(layers):
        yield "only", layer, (layer,)
        yield "without", layer, (*layers[:i], *layers[i + 1 :])
        yield "up to", layer, tuple(layers[: i + 1])
        yield "from", layer, tuple(layers[i:])


def stretch(direction: Direction, layers: Sequence[int]) -> Direction:
    """Keep some layers of a direction, as long together as all were."""
    rows = [direction.layers.index(layer) for layer in layers]
    vector = direction.vector[rows]
    if not vector.any():
        raise InputError(f"direction {direction.name} does not move layers {list(layers)}: it has no such part")
    return replace(direction, layers=tuple(layers), vector=vector * (direction.norm / vector.norm()))


@torch.no_grad()
def _measure(edit: AlongDirection, faces: Faces, alpha: float, yardstick: Yardstick, target: int, chunk: int) -> Floats:
    """Show faces at shares of an alpha: -> change of the target in SD and distance from before [N, num_shares, 2]."""
    found = []
    for i in range(0, len(faces), chunk):
        images = edit(faces.part(i, i + chunk), [alpha * share for share in SHARES])
        ratings = yardstick.rate(images)[0][..., target]
        before = images[:, :1].expand_as(images)
        likeness = ms_ssim(before.flatten(0, 1), images.flatten(0, 1)).reshape(ratings.shape).double().cpu().numpy()
        found.append(np.stack([ratings - ratings[:, :1], 1 - likeness], axis=-1))
    return np.concatenate(found)


def summarise(kind: str, layer: int, measured: Floats, limit: float) -> LayerEffect:
    """Read a part at the full edit's length, and where its mean distance is the full edit's."""
    shares = resample_faces(len(measured))
    means = (shares @ measured.reshape(len(measured), -1)).reshape(len(shares), len(SHARES), 2)
    change, distance = (summarise_resamples(means[:, FULL, column]) for column in (0, 1))
    lengths = find_crossings(np.array(SHARES), means[..., 1], limit)
    at_distance = read_at(np.array(SHARES), means[..., :1], lengths)[:, 0]
    return LayerEffect(kind, layer, change, distance, summarise_resamples(at_distance))


def list_rows(effects: Sequence[LayerEffect]) -> tuple[list[str], list[list[str]]]:
    """Lay effects out as numbers: -> a header and rows, empty cells where there is no number."""
    names = ("change", "distance", "change_at_distance")
    header = ["part", "layer", *(f"{name}{end}" for name in names for end in ("", "_low", "_high"))]
    rows = []
    for effect in effects:
        figures = [getattr(effect, name) for name in names]
        numbers = [number for figure in figures for number in (figure.value, figure.low, figure.high)]
        rows.append([effect.kind, str(effect.layer), *(f"{x:.6g}" if math.isfinite(x) else "" for x in numbers)])
    return header, rows
