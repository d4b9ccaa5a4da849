"""A page about the bundled directions: a table, their cosines, and for each its card and a strip of faces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from latentedit.collection.recipes import CONDITIONED, FOUND, SHOWN, STEADIED, TRUNCATION_PSI, attribute_of, summarise
from latentedit.direction import Direction, cosines
from latentedit.editing import sweep
from latentedit.evaluation.tables import format_markdown
from latentedit.files import staged
from latentedit.latents import sample
from latentedit.networks import Generator
from latentedit.pictures import heat_map, image_grid
from latentedit.predictors import Assessor, AttributeScorer
from latentedit.rendering import render
from latentedit.scoring import score

SEEDS = (1, 3, 7, 20)  # of the strips' faces, those of `latentedit sweep`
ALPHAS = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)  # in sigmas
STRIP_WIDTH = 1000  # pixels


def write_cards(generator: Generator, assessor: Assessor, collection: Mapping[str, Direction], folder: Path) -> None:
    """Write README.md, cosines.png and a strip NAME.png of each direction into a folder."""
    names = list(collection)
    with staged(folder) as stage:
        for name, direction in collection.items():
            _draw_strip(generator, assessor, direction).save(stage / f"{name}.png", optimize=True)
        table = cosines(list(collection.values()))
        heat_map(table, names, names, "Cosines between directions").save(stage / "cosines.png", optimize=True)
        (stage / "README.md").write_text(write_page(collection))


def _draw_strip(generator: Generator, assessor: Assessor, direction: Direction) -> Image.Image:
    """Show four faces at seven strengths, each with the rating that the direction is about."""
    scorer = AttributeScorer(assessor, attribute_of(direction.name))
    images = render(generator, sweep(sample(generator, SEEDS, TRUNCATION_PSI), direction, ALPHAS, unit="sigma").ws)
    captions = [[f"{value:.1f}" for value in row] for row in score(scorer, images).tolist()]
    labels = [f"{alpha:+g}" if alpha else "0" for alpha in ALPHAS]
    title = f"{direction.name}, alpha in sigma, {scorer.name}"
    strip = image_grid(images, captions, labels, [f"seed {seed}" for seed in SEEDS], title)
    return strip.resize((STRIP_WIDTH, round(strip.height * STRIP_WIDTH / strip.width)), Image.Resampling.LANCZOS)


def write_page(collection: Mapping[str, Direction]) -> str:
    """Lay out the page in Markdown."""
    effects = {name: direction.provenance["effects"] for name, direction in collection.items()}
    first = next(iter(effects.values()))
    lines = [
        "# The bundled directions",
        "",
        "Made by `latentedit directions build --out directions/faces --cards docs/directions`. Effects are mean",
        f"shifts at -3 / +3 sigma over seeds {first['seeds']} at psi {first['truncation_psi']}, which no direction was",
        "found on, in standard deviations of faces that nobody edited; in bold the rating that a direction is about.",
        "The judge is the assessor that the directions were found with. Ratings reflect their raters' stereotypes:",
        "they describe impressions, not people.",
        "",
        format_markdown(["direction", *SHOWN, "Spearman"], [_effect_row(name, effects[name]) for name in collection]),
        '<img src="cosines.png" alt="Cosines of every direction with every other">',
    ]
    for name, direction in collection.items():
        lines += ["", *_describe(name, direction)]
    return "\n".join(lines) + "\n"


def _describe(name: str, direction: Direction) -> list[str]:
    """Write one direction's card."""
    facts = direction.provenance
    held_out, (low, high) = facts["held_out"], facts["held_out"]["interval"]
    effects = facts["effects"]["shift_in_sd"]
    near = sorted(facts["cosines"].items(), key=lambda item: -abs(item[1]))[:4]
    shifts = sorted(effects.items(), key=lambda item: -abs(item[1]["+3 sigma"]))
    return [
        f"## `{name}`",
        "",
        f"{_origin(name, facts)} Its sigma is {direction.sigma:.3f}. On {held_out['faces']:,} unedited faces it tells "
        f"for {held_out['accuracy']:.1%} [{low:.1%}, {high:.1%}] whether they are rated above the median in "
        f"`{attribute_of(name)}`. Nearest: " + ", ".join(f"`{other}` {value:+.2f}" for other, value in near) + ".",
        "",
        "At +3 sigma, in SD: " + ", ".join(f"{other} {shift['+3 sigma']:+.2f}" for other, shift in shifts) + ".",
        "",
        f'<img src="{name}.png" alt="Four faces at seven strengths of {name}, with their ratings">',
    ]


def _origin(name: str, facts: Mapping[str, Any]) -> str:
    """Say how a direction was found."""
    if name in CONDITIONED:
        return f"`{summarise(name)}`, by joint projection."
    if name in STEADIED:
        left = ", ".join(f"{scorer} {change:+.2f}" for scorer, change in facts["changes_in_sd"].items())
        return f"`{summarise(name)}`, on {facts['num_faces']:,} faces, where it changes by {left} SD."
    recipe = FOUND[name]
    if recipe.method == "gradient":
        return f"The average gradient over {facts['num_faces']:,} faces, {summarise(name)}."
    low, high = facts["hold_out_interval"]
    return (
        f"Method `{recipe.method}` on {facts['num_faces']:,} faces, {summarise(name)}, "
        f"at psi {recipe.truncation_psi:g}; hold-out accuracy {facts['hold_out_accuracy']:.1%} [{low:.1%}, {high:.1%}]."
    )


def _effect_row(name: str, effects: Mapping[str, Any]) -> list[str]:
    """Write what a direction does to the ratings of the table."""
    target, cells = attribute_of(name), []
    for attribute in SHOWN:
        shift = effects["shift_in_sd"][attribute]
        cell = f"{shift['-3 sigma']:+.2f} / {shift['+3 sigma']:+.2f}"
        cells.append(f"**{cell}**" if attribute == target else cell)
    return [f"`{name}`", *cells, f"{effects['spearman'][target]:.2f}"]
