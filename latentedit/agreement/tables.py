"""Cards, ceilings and comparisons as rows for people and for other programs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from latentedit.agreement.card import Card, Comparison
from latentedit.datasets import Dataset
from latentedit.evaluation.tables import format_estimate
from latentedit.evaluation.tables import without_nan as without_nan
from latentedit.files import replacing
from latentedit.statistics import Estimate, Floats

DECIMALS = 3


def lay_out(cards: Sequence[Card]) -> tuple[list[str], list[list[str]]]:
    """Lay cards side by side: -> a header and rows, a figure a row and a predictor a column."""
    columns = [list_figures(card) for card in cards]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [[name, *(format_estimate(column[name], DECIMALS) for column in columns)] for name in names]
    slopes = [f"{card.calibration['slope']:+.{DECIMALS}f}" for card in cards]
    return ["", *(card.predictor for card in cards)], [*rows, ["calibration slope", *slopes]]


def list_figures(card: Card) -> dict[str, Estimate]:
    """List a card's estimates by what a table calls them."""
    apart = {f"... {name}": estimate for name, estimate in card.categories.items()}
    within = {} if card.within is None else {"Spearman within categories": card.within}
    return {**card.figures, **within, **apart}


def lay_out_comparisons(comparisons: Sequence[Comparison]) -> tuple[list[str], list[list[str]]]:
    """Lay out differences: a figure a row and a pair of predictors a column."""
    header = ["difference", *(f"{pair.first} - {pair.second}" for pair in comparisons)]
    names = comparisons[0].differences
    return header, [
        [name, *(format_estimate(pair.differences[name], DECIMALS) for pair in comparisons)] for name in names
    ]


def as_facts(cards: Sequence[Card], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Turn cards into plain values fit for JSON, None where there is no number; the images stay in their table."""
    columns = ("scores", "predictions")
    plain = [{key: value for key, value in asdict(card).items() if key not in columns} for card in cards]
    facts: dict[str, Any] = without_nan({"cards": plain, "comparisons": [asdict(pair) for pair in comparisons]})
    return facts


def write_predictions(path: Path, dataset: Dataset, cards: Sequence[Card]) -> None:
    """Write predictions.csv: image, split, category, score, and a column each predictor."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["image", "split", "category", "score", *(card.predictor for card in cards)])
        for i, image in enumerate(dataset.images):
            said = [f"{card.predictions[i]:.6g}" for card in cards]
            table.writerow([image.name, image.split, image.category, f"{image.score:.6g}", *said])


def write_left_out(path: Path, dataset: Dataset, predictions: Floats) -> None:
    """Write the predictions [num_repeats, N] of a cross-validation: image, score, and a column each repeat."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["image", "score", *(f"repeat {i + 1}" for i in range(len(predictions)))])
        for image, said in zip(dataset.images, predictions.T, strict=True):
            table.writerow([image.name, f"{image.score:.6g}", *(f"{x:.6g}" for x in said)])


def write_figures(path: Path, cards: Sequence[Card]) -> None:
    """Write figures.csv: predictor, figure, value, low, high."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["predictor", "figure", "value", "low", "high"])
        for card in cards:
            for name, estimate in list_figures(card).items():
                table.writerow([card.predictor, name, *(f"{x:.6g}" for x in asdict(estimate).values())])
