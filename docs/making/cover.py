"""Draw docs/cover.png, the README's first picture, and docs/social.png, 1280 x 640: python docs/making/cover.py

Faces move along `w_sq`, and along it without four traits, until `patches` sees memorability change alike; beside them,
what else changed on fresh faces. Everything drawn is measured here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

import latentedit as le
from latentedit.evaluation.pictures import COLOURS, make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

DOCS = Path(__file__).parents[1]
NAMES = {"w_sq": "more memorable", "steady_traits": "... with four traits held"}
SHOWN = ("age", "gender", "happy", "attractive", "skin-color")  # four that are held, and what is left
SEEDS, FRESH, POPULATION = (1, 7, 20), range(3_000_000, 3_000_064), range(3_100_000, 3_100_256)
LEVEL = 1.2  # SD of memorability
DPI = 100


def measure() -> tuple[torch.Tensor, list[le.Card]]:
    """Measure both directions on fresh faces: pictures at matched change [rows, columns, 3, H, W], and the cards."""
    generator = le.load_generator()
    directions = [le.load_direction(name, generator) for name in NAMES]
    judge = le.load_assessor("patches")
    cards = le.evaluate(
        generator, directions, [judge], "memorable", FRESH, level=LEVEL, population=POPULATION, quiet=True
    )
    before = le.sample(generator, SEEDS, 0.7)
    moved = [
        le.edit(before, direction, card.alpha.value, unit="sigma")
        for direction, card in zip(directions, cards, strict=True)
    ]
    return le.render(generator, torch.stack([before, *moved], dim=1)), cards


def draw(images: torch.Tensor, cards: list[le.Card], height: int, title: str | None) -> Figure:
    """Lay faces and measurements side by side, 1280 pixels wide."""
    figure = make_figure(1280 / DPI, height / DPI)
    if title:
        figure.suptitle(title, fontsize=19, x=0.01, ha="left")
    faces, measured = figure.subfigures(1, 2, width_ratios=[height - 60 * bool(title) - 20, 1300 - height])
    draw_faces(faces, images)
    draw_changes(measured.subplots(), cards)
    return figure


def draw_faces(figure: SubFigure, images: torch.Tensor) -> None:
    """Draw a row a face, a column an edit."""
    grid = figure.subplots(*images.shape[:2], gridspec_kw={"wspace": 0.02, "hspace": 0.02})
    for cell, image in zip(grid.flat, images.flatten(0, 1), strict=True):
        cell.imshow(le.to_pil(image), interpolation="bicubic")
        cell.axis("off")
    for cell, label, colour in zip(grid[0], ["before", *NAMES.values()], ["#333333", *COLOURS], strict=False):
        cell.set_title(label, color=colour, fontsize=10)


def draw_changes(axes: Axes, cards: list[le.Card]) -> None:
    """Draw how far other ratings changed where memorability changed alike, with 95 % intervals over faces."""
    for i, (card, label) in enumerate(zip(cards, NAMES.values(), strict=True)):
        found = [card.verdict.changes[name] for name in SHOWN]
        reach = [[e.value - e.low for e in found], [e.high - e.value for e in found]]
        places = [j + 0.36 * (i - 0.5) for j in range(len(SHOWN))]
        values = [e.value for e in found]
        axes.barh(places, values, 0.32, xerr=reach, color=COLOURS[i], label=label, error_kw={"linewidth": 1})
    axes.axvline(0, color="#333333", linewidth=0.8)
    axes.set_yticks(range(len(SHOWN)), SHOWN, fontsize=11)
    axes.invert_yaxis()
    axes.set_xlabel(
        f"what else changed, SD, where memorability rose by {LEVEL:g} SD\n"
        f"(by a second assessor, on {len(FRESH)} fresh faces, with 95 % intervals)"
    )
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(frameon=False, fontsize=10, loc="best")


if __name__ == "__main__":
    measured = measure()
    draw(*measured, 520, None).savefig(DOCS / "cover.png", dpi=DPI)
    title = "latentedit: edit faces in StyleGAN's latent space, and prove what the edit did"
    draw(*measured, 640, title).savefig(DOCS / "social.png", dpi=DPI)
