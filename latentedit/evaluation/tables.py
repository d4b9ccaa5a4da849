"""Report cards side by side: the measures in their order, as rows for people and for other programs."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from latentedit.evaluation.card import Card
from latentedit.evaluation.layers import LayerEffect, list_rows
from latentedit.statistics import Estimate

SHOWN = ("happy", "age", "gender", "attractive")  # what an edit of memorability shall leave alone


def list_measures(card: Card, shown: Sequence[str] = SHOWN) -> list[tuple[str, Estimate]]:
    """List what a card says, the changes of the attributes `shown` among it, in the order of the tables."""
    course, verdict = card.verdict.course, card.verdict
    changes = {name: verdict.changes[name] for name in shown if name in verdict.changes and name != verdict.target}
    gaps = [(f"{v.target} by {v.judge}", v.changes[v.target]) for v in card.verdicts[1:]]
    return [
        ("slope, SD per sigma", course.slope),
        ("Spearman with alpha", course.spearman),
        ("faces that only rise", course.monotone),
        ("R2 of a line", course.r2),
        ("saturation", course.saturation),
        (f"alpha at {card.level:g} SD", card.alpha),
        *((f"{name}, SD", change) for name, change in changes.items()),
        *((f"size of {name} per face, SD", verdict.sizes[name]) for name in changes),
        ("mean dependency", verdict.match.mean_dependency),
        ("max dependency", verdict.match.max_dependency),
        *gaps,
        *card.similarities.items(),
        ("Frechet distance", _alone(card.frechet)),
        ("... before the edit", _alone(card.frechet_before)),
    ]


def _alone(value: float) -> Estimate:
    return Estimate(value, math.nan, math.nan)


def compare_cards(cards: Sequence[Card], shown: Sequence[str] = SHOWN) -> tuple[list[str], list[list[str]]]:
    """Lay cards side by side: -> a header and rows, a measure a row and an edit a column."""
    measures = [dict(list_measures(card, shown)) for card in cards]
    names = dict.fromkeys(name for column in measures for name in column)
    absent = _alone(math.nan)
    fine = {name for card in cards for name in card.similarities}
    rows = [
        [name, *(format_estimate(column.get(name, absent), 2 + (name in fine)) for column in measures)]
        for name in names
    ]
    judge, target = cards[0].verdict.judge, cards[0].verdict.target
    return [f"{target} by {judge}", *(card.edit for card in cards)], rows


def format_estimate(estimate: Estimate, decimals: int = 2) -> str:
    """Write a figure with its interval, such as `+1.02 [+0.97, +1.08]`, and `-` for what is no number."""
    if not math.isfinite(estimate.value):
        return "-"
    numbers = (estimate.value, estimate.low, estimate.high)
    value, low, high = (f"{number + 0.0:+.{decimals}f}" if math.isfinite(number) else "-" for number in numbers)
    return f"{value} [{low}, {high}]" if math.isfinite(estimate.low) else value


def format_markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def write_measures(path: Path, cards: Sequence[Card], shown: Sequence[str] = SHOWN) -> None:
    """Write measures.csv: edit, measure, value, low, high."""
    rows = [(card.edit, name, *_numbers(value)) for card in cards for name, value in list_measures(card, shown)]
    _write(path, ("edit", "measure", "value", "low", "high"), rows)


def write_rescoring(path: Path, cards: Sequence[Card]) -> None:
    """Write rescoring.csv: how far every judge sees every attribute change, where the target is matched."""
    _write(path, ("edit", "judge", "attribute", "change", "low", "high", "size_per_face"), _rescoring_rows(cards))


def _rescoring_rows(cards: Sequence[Card]) -> Iterator[tuple[str, ...]]:
    for card in cards:
        for verdict in card.verdicts:
            for name, change in verdict.changes.items():
                yield card.edit, verdict.judge, name, *_numbers(change), _numbers(verdict.sizes[name])[0]


def write_layers(path: Path, effects: Sequence[LayerEffect]) -> None:
    """Write layers.csv: what each part of an edit does, with intervals."""
    header, rows = list_rows(effects)
    _write(path, tuple(header), [tuple(row) for row in rows])


def _write(path: Path, header: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _numbers(estimate: Estimate) -> tuple[str, str, str]:
    """Write an estimate as three cells, empty where there is no number."""
    value, low, high = (f"{x:.6g}" if math.isfinite(x) else "" for x in (estimate.value, estimate.low, estimate.high))
    return value, low, high


def rescoring_matrix(cards: Sequence[Card]) -> tuple[list[str], list[str], np.ndarray]:
    """Gather the first judge's mean changes of all attributes: -> edits, attributes, [edits, attributes].

    Source: Shen et al. 2020, "InterFaceGAN", table 3, here at matched change of the target. Edits that
    never reach it are left out.
    """
    matched = [card for card in cards if math.isfinite(card.alpha.value)]
    attributes = list(cards[0].verdict.attributes)
    rows = [[change.value for change in card.verdict.match.changes] for card in matched]
    return [card.edit for card in matched], attributes, np.array(rows).reshape(len(matched), len(attributes))


def as_facts(card: Card) -> dict[str, Any]:
    """Turn a card into plain values fit for JSON, None where there is no number."""
    facts: dict[str, Any] = without_nan(asdict(card))
    return facts


def without_nan(value: Any) -> Any:
    """Put None, which JSON has, for what is no finite number, however deep."""
    match value:
        case dict():
            return {key: without_nan(item) for key, item in value.items()}
        case list() | tuple():
            return [without_nan(item) for item in value]
        case float():
            return float(value) if math.isfinite(value) else None
    return value
