"""Report cards as pictures for a paper: curves over alpha, and what else changed where the target is matched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from latentedit.errors import InputError
from latentedit.evaluation.card import Card
from latentedit.evaluation.layers import LayerEffect
from latentedit.evaluation.tables import SHOWN, rescoring_matrix
from latentedit.pictures import heat_map
from latentedit.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")  # Okabe & Ito


def draw_cards(cards: Sequence[Card], shown: Sequence[str] = SHOWN) -> Figure:
    """Draw the target over alpha, and the attributes `shown` at matched change, with 95 % intervals over faces."""
    figure = make_figure(10, 4)
    left, right = figure.subplots(1, 2, width_ratios=[5, 6])
    verdict = cards[0].verdict
    draw_curves(left, [(card.edit, card.verdict.alphas, card.verdict.shifts) for card in cards])
    left.axhline(cards[0].level, color="#bbbbbb", linewidth=0.8, linestyle=":")
    left.set_xlabel("alpha, standard deviations along the direction")
    left.set_ylabel(f"change of {verdict.target}, SD, by {verdict.judge}")
    _draw_leaks(right, cards, [name for name in shown if name in verdict.attributes and name != verdict.target])
    right.set_xlabel(f"mean change, SD, where {verdict.target} has changed by {cards[0].level:g} SD")
    return figure


def make_figure(width: float, height: float) -> Figure:
    """Open an empty figure in the project's manner; raise InputError where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "no matplotlib to draw with: pip install 'latentedit[plots]', or leave the plot out"
        ) from error
    return Figure(figsize=(width, height), layout="constrained", dpi=150)


def draw_curves(axes: Axes, curves: Sequence[tuple[str, Sequence[float], Sequence[Estimate]]]) -> None:
    """Draw curves of estimates, each with its band: name, x and y."""
    for i, (name, x, y) in enumerate(curves):
        colour, style = COLOURS[i % len(COLOURS)], ("-", "--", ":")[i // len(COLOURS) % 3]
        axes.plot(x, [point.value for point in y], style, color=colour, label=name, linewidth=1.5)
        axes.fill_between(x, [p.low for p in y], [p.high for p in y], color=colour, alpha=0.18, linewidth=0)
    axes.axhline(0, color="#bbbbbb", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


def _draw_leaks(axes: Axes, cards: Sequence[Card], names: Sequence[str]) -> None:
    """Draw a point with its interval for each edit and attribute, one attribute below the other."""
    matched = [(i, card) for i, card in enumerate(cards) if math.isfinite(card.alpha.value)]
    for i, card in matched:
        at = np.arange(len(names)) + 0.7 * ((i + 0.5) / len(cards) - 0.5)
        found = [card.verdict.changes[name] for name in names]
        reach = [[e.value - e.low for e in found], [e.high - e.value for e in found]]
        axes.errorbar([e.value for e in found], at, xerr=reach, fmt="o", color=COLOURS[i % len(COLOURS)], markersize=4)
    axes.axvline(0, color="#bbbbbb", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.spines[["top", "right"]].set_visible(False)


def draw_rescoring(cards: Sequence[Card]) -> Image.Image:
    """Draw how far every attribute changes at matched change of the target, edits by attributes."""
    edits, attributes, changes = rescoring_matrix(cards)
    verdict = cards[0].verdict
    title = f"Change in SD by {verdict.judge}, where {verdict.target} has changed by {cards[0].level:g} SD"
    return heat_map(torch.from_numpy(changes.T), attributes, edits, title)


def draw_layers(effects: Sequence[LayerEffect], title: str) -> Figure:
    """Draw what each part of an edit does over the layers, at equal length and at equal distance, side by side."""
    figure = make_figure(10, 4)
    axes = figure.subplots(1, 2, sharey=True)
    for one, name, label in zip(
        axes, ("change", "change_at_distance"), ("at equal length ||dw||", "at equal 1 - MS-SSIM"), strict=True
    ):
        kinds = dict.fromkeys(effect.kind for effect in effects)
        parts = {kind: [effect for effect in effects if effect.kind == kind] for kind in kinds}
        draw_curves(
            one,
            [
                (
                    f"{kind} the layer" if kind != "only" else "the layer only",
                    [e.layer for e in found],
                    [getattr(e, name) for e in found],
                )
                for kind, found in parts.items()
            ],
        )
        one.set_xlabel("layer")
        one.set_title(label, fontsize=10)
    axes[0].set_ylabel(title)
    return figure
