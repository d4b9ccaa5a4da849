"""Agreement as a picture: each image's score over its prediction, and tenth by tenth what the predictions are worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from latentedit.agreement.card import Card
from latentedit.evaluation.pictures import COLOURS, make_figure
from latentedit.evaluation.tables import format_estimate

MOST_LETTERS = 28  # of a predictor's name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_agreement(cards: Sequence[Card], target: str) -> Figure:
    """Draw a panel a predictor: dots are images, the line joins the means of tenths, the diagonal is calibrated."""
    figure = make_figure(3.6 * len(cards) + 0.6, 4)
    panels = figure.subplots(1, len(cards), squeeze=False, sharey=True)[0]
    for i, (card, panel) in enumerate(zip(cards, panels, strict=True)):
        _draw_panel(panel, card, COLOURS[i % len(COLOURS)])
    panels[0].set_ylabel(f"score of people, {target}")
    return figure


def _draw_panel(panel: Axes, card: Card, colour: str) -> None:
    tenths = card.calibration["reliability"]
    ends = [min(card.predictions.min(), card.scores.min()), max(card.predictions.max(), card.scores.max())]
    panel.plot(ends, ends, color="#bbbbbb", linewidth=0.8)
    panel.scatter(card.predictions, card.scores, s=4, alpha=0.35, color=colour, linewidths=0)
    panel.plot(tenths["predicted"], tenths["rated"], "o-", color="black", markersize=3.5, linewidth=1.2)
    panel.set_title(f"{_shorten(card.predictor)}\nSpearman {format_estimate(card.figures['Spearman'])}", fontsize=9)
    panel.set_xlabel("prediction")
    panel.spines[["top", "right"]].set_visible(False)


def draw_figures(cards: Sequence[Card]) -> Figure:
    """Draw Spearman's correlation of every predictor, pooled and within categories, with its interval."""
    figure = make_figure(6, 1 + 0.5 * len(cards))
    axes = figure.subplots()
    for i, card in enumerate(cards):
        for shift, marker, estimate in ((0.12, "o", card.figures["Spearman"]), (-0.12, "s", card.within)):
            if estimate is not None:
                reach = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
                axes.errorbar([estimate.value], [i - shift], xerr=reach, fmt=marker, color=COLOURS[i % len(COLOURS)])
    axes.axvline(0, color="#bbbbbb", linewidth=0.8)
    axes.set_yticks(range(len(cards)), [_shorten(card.predictor) for card in cards])
    axes.set_ylim(len(cards) - 0.5, -0.5)
    pooled_only = all(card.within is None for card in cards)
    axes.set_xlabel("Spearman" if pooled_only else "Spearman: dots pooled, squares within categories")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _shorten(name: str) -> str:
    """Keep the end of a long name, where a file's own name stands."""
    return name if len(name) <= MOST_LETTERS else f"...{name[-MOST_LETTERS:]}"
