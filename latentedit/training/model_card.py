"""Model cards: what a network was trained on, how well it does, what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from latentedit.files import replacing
from latentedit.predictors.attributes import COVERAGE

SHOWN = "memorable"  # the attribute whose robustness has a column of its own
KEPT_OUT = {"omi": "tenth", "patches": "tenth", "deep": "thirtieth"}  # faces that robustness is measured on
CARD = """\
# Assessor `{assessor}`

Predicts the mean human rating, 0 to 100, of {num_attributes} attributes of a face in FFHQ's frame.

## Data

{name}: {faces} faces with mean ratings. {citation}.
These weights are made from that data and carry its licence: **{licence}**.

## Method

{features}

Before it is looked at, a face is brought to where the training faces lie in their frames: how far off it is, right and
down, is read by a ridge regression from its coarse gradients and colours, learned from copies moved by up to 8 px of
256.

A ridge regression on the features, made mirror-symmetric by averaging each face with its mirror image, gives a first
rating of every attribute. The features are damped beforehand along the changes that JPEG and small size make in them
(tangent propagation: Simard et al. 1992). A second ridge regression, with a Gaussian kernel on the first ratings,
corrects them. Penalties are chosen attribute by attribute by leave-one-out error.

## How well it ranks faces it has not seen

Spearman's correlation of predicted and rated: {folds}-fold cross-validation, the mean of {repeats} repeats with other
folds (seed {seed}). Everything fitted to ratings, penalties included, saw the training folds only; scales, damping,
learned patches and the reading of where a face lies saw all the faces, but no rating. The kinds of features and the
design were picked on the same faces, which may make the figures slightly too good. Intervals: 95 %, bootstrap over
faces, the mean of the repeats'. What else was tried:
[docs/assessors.md](../../docs/assessors.md).

| attribute | Spearman | 95 % interval | n |
|---|---|---|---|
{figures}

## Calibration

A score is the prediction of least error, so scores spread less than ratings do: `spread` is the ratio of the two
standard deviations. `slope` is that of ratings on scores; where it is 1, a score 10 higher means a rating 10 higher on
average. `{assessor}:age:matched` stretches scores until they spread as the ratings do: better for comparing
distributions, worse for one face. The interval, score +- half width, holds the mean rating of {coverage:.0%} of new
faces like these; the last column says of how many it did, the half width taken from every other face and tried on the
faces between. All on the first repeat's left-out faces.

| attribute | bias | slope | spread | half width | held |
|---|---|---|---|---|---|
{calibration}

## Robustness

Mean |change of the score| / standard deviation of the score over faces, for changes that leave the face as it is, on
every {kept_out} face, none of which taught the damping or where faces lie. Faces are 256 px wide, JPEG's quality is 75.

| change | {shown} | mean of all attributes | worst attribute |
|---|---|---|---|
{robustness}

## Limits

{limits}
"""
FEATURES = {
    "deep": """\
Faces and their mirror images are brought to 224 x 224 px and described by the mean of the 2,048 pooled features that
the ResNet-152 inside ResMem has of both (trained on ImageNet; no face here taught it anything). Looking is slow, so a
third as many faces as with the other assessors teach the damping below and try what it does. The network is not part
of these weights: it is read from the package `resmem` where the user has installed it (`pip install --no-deps resmem`;
non-commercial), and runs no code of it. It shares no feature and no fold with `omi` and `patches`, but the faces and
their ratings.""",
    "omi": """\
Faces are brought to 128 x 128 and 64 x 64 px and described by oriented gradients of light and colour (Dalal & Triggs
2005) in 16 x 16 and 8 x 8 cells, and by their colours at 32 x 32 px.""",
    "patches": """\
Faces are brought to 64 x 64 px and described by how like each of 128 learned patches of 6 x 6 px, or its mirror image,
or either's negative, they are in 10 x 10 regions (Coates & Ng 2011). The patches were learned from the same faces by
spherical k-means after whitening, without ratings. It shares no feature and no fold with `omi`, but the faces and their
ratings, so what both get wrong alike, the raters' habits for one, neither can show in the other.""",
}


@dataclass(frozen=True)
class DataSource:
    """Where ratings come from, under which licence, and what must be known before they are used."""

    name: str
    citation: str
    licence: str
    limits: tuple[str, ...]


OMI = DataSource(
    name="One Million Impressions",
    citation=(
        "Peterson, J. C., Uddenberg, S., Griffiths, T. L., Todorov, A., & Suchow, J. W. (2022). Deep models of "
        "superficial face judgments. PNAS 119(17), doi 10.1073/pnas.2115228119"
    ),
    licence="CC BY-NC-SA 4.0",
    limits=(
        "`memorable` is rated, not measured: people said how memorable a face looks, no one's memory was tested.",
        "The ratings are the raters' first impressions and carry their stereotypes. They say nothing about the "
        "person shown, and `trustworthy`, `gay`, `smart`, `black` and the like are no facts: "
        "do not use them to judge people.",
        "The faces are StyleGAN2's, trained on FFHQ: photographs, other frames and other generators are new to it, "
        "and its intervals say nothing about them.",
        "An interval is about one face. How sure the difference between two scores of one face is, it does not say.",
        "JPEG blurs edges of colour in small images: keep 64 px faces as PNG.",
    ),
)


def write_card(path: Path, assessor: str, source: DataSource, header: Mapping[str, Any]) -> None:
    """Write the header's figures as a page of Markdown, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(format_card(assessor, source, header), encoding="utf-8")


def format_card(assessor: str, source: DataSource, header: Mapping[str, Any]) -> str:
    """Fill in the page, attributes in the order of how well they are predicted."""
    validation = header["cross_validation"]
    figures = validation["spearman"]
    shown = SHOWN if SHOWN in figures else next(iter(figures))
    ranked = sorted(figures.items(), key=lambda item: -item[1]["rho"])
    rows = [f"| {name} | {f['rho']:.3f} | {f['low']:.3f} to {f['high']:.3f} | {f['n']} |" for name, f in ranked]
    return CARD.format(
        assessor=assessor,
        features=FEATURES[assessor],
        kept_out=KEPT_OUT[assessor],
        name=source.name,
        citation=source.citation,
        licence=source.licence,
        limits="\n".join(f"- {limit}" for limit in source.limits),
        num_attributes=len(figures),
        folds=validation["folds"],
        repeats=validation["repeats"],
        coverage=COVERAGE,
        **header["training"],
        figures="\n".join(rows),
        calibration="\n".join(_calibration_row(name, header["calibration"][name]) for name, _ in ranked),
        shown=shown,
        robustness="\n".join(_robustness_row(name, shares, shown) for name, shares in header["robustness"].items()),
    )


def _calibration_row(attribute: str, figures: Mapping[str, Any]) -> str:
    measured = f"{figures['bias']:+.2f} | {figures['slope']:.2f} | {figures['spread']:.2f}"
    return f"| {attribute} | {measured} | {figures['half_width']:.1f} | {figures['coverage']:.1%} |"


def _robustness_row(view: str, shares: Mapping[str, float], shown: str) -> str:
    worst = max(shares, key=lambda attribute: shares[attribute])
    return f"| {view} | {shares[shown]:.3f} | {mean(shares.values()):.3f} | {shares[worst]:.3f} ({worst}) |"


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
{faces}"""
FACES = "\nThe detector YuNet is certain (above .8) of {} faces in 64 samples, seeds 0 to 63 at psi 0.7.\n"


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
        faces=FACES.format(measures["faces"]) if "faces" in measures else "",
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
