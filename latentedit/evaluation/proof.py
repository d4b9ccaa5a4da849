"""Evaluate edits: what each did to fresh faces, and what else it did where the target changed alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from latentedit.direction import Direction
from latentedit.errors import InputError
from latentedit.evaluation.card import Card, Verdict
from latentedit.evaluation.curves import Changes, describe_course, find_matching_alphas, match_target
from latentedit.evaluation.edits import Edit, Path, as_edit, draw_faces
from latentedit.evaluation.measurement import Judge, Look, Yardstick, find_target, look_at, rate_edit
from latentedit.evaluation.similarity import Similarity, ms_ssim
from latentedit.networks import Generator
from latentedit.ranges import parse_seeds
from latentedit.statistics import Floats, resample_faces, summarise_resamples

FRESH_SEEDS = range(3_000_000, 3_000_256)
POPULATION_SEEDS = range(3_100_000, 3_101_024)  # that standard deviations are those of
REACH = (-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0)
FEWEST = 8  # faces
SIMILARITIES: dict[str, Similarity] = {"ms_ssim": ms_ssim}


def evaluate(
    generator: Generator,
    edits: Sequence[Direction | Edit | Path],
    judges: Sequence[Judge],
    target: str = "memorable",
    seeds: Sequence[int] = FRESH_SEEDS,
    truncation_psi: float = 0.7,
    level: float = 1.0,
    alphas: Sequence[float] = REACH,
    population: Sequence[int] = POPULATION_SEEDS,
    similarities: Mapping[str, Similarity] | None = None,
    class_index: int | None = None,
    chunk: int = 8,
    quiet: bool = True,
) -> list[Card]:
    """Measure edits on faces that none was found on: N edits -> N cards.

    All changes count standard deviations of a judge's ratings of the faces `population`, which nobody
    edited. What an edit did beside the target is read at the alpha, between 0 and the last of
    `alphas` (in sigmas), where the target's mean over faces has changed by `level` in the first
    judge's eyes, so that an edit which does little does not win. An edit along which the target falls
    is turned round, where alphas lie on both sides of 0. Name a judge first whose ratings no edit was
    found with; others beside it show the gap. `similarities` compare images before and after,
    [N, 3, H, W] each -> [N]; MS-SSIM by default. Intervals are those of 1,000 bootstrap resamples of
    the faces.
    Raises InputError where an edit was found on some of the faces, or a judge does not rate the target.
    """
    _check_request(seeds, population, level, alphas)
    for edit in edits:
        _check_fresh(edit, [*seeds, *population])
    targets = find_target(judges, target)
    others = draw_faces(generator, population, truncation_psi, class_index)
    yardstick = Yardstick.measure(generator, judges, others, chunk, quiet)
    yardstick.check_target(target)
    faces = draw_faces(generator, seeds, truncation_psi, class_index)
    cards = []
    for edit in (as_edit(generator, edit, class_index) for edit in edits):
        swept = rate_edit(edit, faces, alphas, yardstick, chunk, quiet)
        forth = min(alphas) == 0 or swept[0].rises(targets[0])
        changes = swept if forth else [rows.reversed() for rows in swept]
        alpha = float(find_matching_alphas(changes[0], targets[0], level)[0])
        look = None
        if np.isfinite(alpha):
            look = look_at(edit, faces, alpha if forth else -alpha, yardstick, similarities or SIMILARITIES, chunk)
        cards.append(_fill_card(edit.name, changes, alpha, look, judges, targets, level))
    return cards


def _check_request(seeds: Sequence[int], population: Sequence[int], level: float, alphas: Sequence[float]) -> None:
    """Raise InputError if there are too few faces, or no alphas to find the level with."""
    if min(len(seeds), len(population)) < FEWEST:
        raise InputError(f"{len(seeds)} faces, {len(population)} for the population: give at least {FEWEST} of each")
    if not level > 0:
        raise InputError(f"level {level:g}: give the change to match edits at in standard deviations, above 0")
    if 0 not in alphas or max(alphas) <= 0 or len(alphas) < 3 or list(alphas) != sorted(set(alphas)):
        raise InputError(f"alphas {list(alphas)}: give at least three that rise, 0 among them and not the last")


def _check_fresh(edit: Direction | Edit | Path, seeds: Sequence[int]) -> None:
    """Raise InputError if a direction was found on some of the faces that shall judge it."""
    direction = edit if isinstance(edit, Direction) else getattr(edit, "direction", None)
    for found_on in _seeds_of(direction.provenance) if direction is not None else ():
        if known := set(parse_seeds(found_on)) & {*seeds}:
            raise InputError(
                f"{edit.name} was found on seeds {found_on}, seed {min(known)} among them: give fresh seeds"
            )


def _seeds_of(provenance: Mapping[str, Any]) -> Iterator[str]:
    """List the seeds that a direction, or one that it was made from, was found on."""
    if isinstance(seeds := provenance.get("seeds"), str):
        yield seeds
    if isinstance(parent := provenance.get("parent_provenance"), dict):
        yield from _seeds_of(parent)


def _fill_card(
    name: str,
    changes: Sequence[Changes],
    alpha: float,
    look: Look | None,
    judges: Sequence[Judge],
    targets: Sequence[int],
    level: float,
) -> Card:
    """Put together what the judges say over all alphas and, if the level was reached, at the matched one."""
    dense = changes
    if look is not None:  # what was measured at the very alpha stands in for what lies between two others
        dense = [rows.insert(alpha, values) for rows, values in zip(changes, look.changes, strict=True)]
    alphas = find_matching_alphas(dense[0], targets[0], level)
    verdicts = tuple(
        _give_verdict(judge, target, rows, finer, alphas)
        for judge, target, rows, finer in zip(judges, targets, changes, dense, strict=True)
    )
    num_faces = len(changes[0].values)
    if look is None:
        return Card(name, num_faces, level, verdicts)
    return Card(name, num_faces, level, verdicts, look.similarities, look.frechet, look.frechet_before)


def _give_verdict(judge: Judge, target: int, even: Changes, dense: Changes, alphas: Floats) -> Verdict:
    """Say what a judge sees over even alphas, and where the target is matched."""
    shares = resample_faces(len(even.values))
    shifts = (summarise_resamples(column) for column in (shares @ even.values[..., target]).T)
    course, matched = describe_course(even, target), match_target(dense, target, alphas)
    name = judge.attributes[target]
    return Verdict(
        judge.name, tuple(judge.attributes), name, tuple(even.alphas.tolist()), tuple(shifts), course, matched
    )
