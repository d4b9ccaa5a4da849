"""Model cards: what a network was trained on, how well it does, what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentedit.files import replacing

CARD = """\
# Assessor `omi`

Predicts the mean human rating, 0 to 100, of {num_attributes} attributes of a face in FFHQ's frame.

## Data

{name}: {faces} faces with mean ratings. {citation}.
These weights are made from that data and carry its licence: **{licence}**.

## Method

Faces are brought to 64 x 64 px and described by oriented gradients of light and colour (Dalal & Triggs 2005) in cells
of 4 and 8 px and by their colours at 32 x 32 px. A ridge regression on these, made mirror-symmetric by averaging each
face with its mirror image, gives a first rating of every attribute. A second ridge regression, with a Gaussian kernel
on these first ratings, corrects them. Penalties are chosen attribute by attribute by leave-one-out error.

## How well it ranks faces it has not seen

Spearman's correlation of predicted and rated, {folds}-fold cross-validation (seed {seed}): everything fitted, penalties
and scales included, saw the training folds only. The kinds of features, the kernel's width and the design were picked
on the same faces beforehand, which may make the figures slightly too good. Intervals: 95 %, bootstrap over faces.

| attribute | Spearman | 95 % interval | n |
|---|---|---|---|
{figures}

## Resolution

The same faces, full size and made small by other filters than the assessor's own: the least correlation (Pearson) and
the largest mean shift (in standard deviations) of any attribute.

| size, filter | least correlation | largest shift |
|---|---|---|
{resolution}

## Limits

{limits}
"""


@dataclass(frozen=True)
class DataSource:
    """Where ratings come from, under which licence, and what must be known before they are used."""

    name: str
    citation: str
    licence: str
    limits: tuple[str, ...]


def write_card(path: Path, source: DataSource, header: Mapping[str, Any]) -> None:
    """Write the header's figures as a page of Markdown, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(format_card(source, header), encoding="utf-8")


def format_card(source: DataSource, header: Mapping[str, Any]) -> str:
    """Fill in the page, attributes in the order of how well they are predicted."""
    figures = header["cross_validation"]["spearman"]
    ranked = sorted(figures.items(), key=lambda item: -item[1]["rho"])
    rows = [f"| {name} | {f['rho']:.3f} | {f['low']:.3f} to {f['high']:.3f} | {f['n']} |" for name, f in ranked]
    sizes = header["resolution"].items()
    return CARD.format(
        name=source.name,
        citation=source.citation,
        licence=source.licence,
        limits="\n".join(f"- {limit}" for limit in source.limits),
        num_attributes=len(figures),
        folds=header["cross_validation"]["folds"],
        **header["training"],
        figures="\n".join(rows),
        resolution="\n".join(f"| {k} | {v['least_correlation']:.4f} | {v['largest_shift']:.3f} |" for k, v in sizes),
    )


MEASURES = """\
{num_samples:,} samples (psi {truncation_psi:g}) against all {num_real:,} training images at the generator's resolution,
in the pooled features of the ResNet-152 inside `resmem`, every image brought to {input_size} px. The floor: two random
halves of the training images against one another (few images raise the Frechet distance, not the kernel distance).

| measure | samples | floor |
|---|---|---|
{measures}

| median distance to the nearest training image | | nearest is the original |
|---|---|---|
{neighbours}
"""


def format_measures(measures: Mapping[str, Any]) -> str:
    """Write what `measure_generator` found as Markdown: its distances, and its nearest training images."""
    samples, floor = measures["samples"], measures["floor"]
    rows = [
        f"| Frechet distance | {samples['frechet_distance']:.2f} | {floor['frechet_distance']:.2f} |",
        f"| kernel distance x 1000 | {1000 * samples['kernel_distance']:.3f} | {1000 * floor['kernel_distance']:.3f} |",
        f"| precision (k = 3) | {samples['precision']:.3f} | {floor['precision']:.3f} |",
        f"| recall (k = 3) | {samples['recall']:.3f} | {floor['recall']:.3f} |",
    ]
    neighbours = [
        f"| {name} | {facts['distance']:.2f} | {_percent(facts.get('found'))} |"
        for name, facts in measures["neighbours"].items()
    ]
    return MEASURES.format(
        num_samples=samples["num_samples"],
        num_real=samples["num_real"],
        **measures["settings"],
        measures="\n".join(rows),
        neighbours="\n".join(neighbours),
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
