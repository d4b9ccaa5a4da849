"""Train the bundled assessors from a folder of rated faces, and measure honestly how well they do on new ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.photographs import to_images
from latentedit.predictors.attributes import COVERAGE, suggest
from latentedit.predictors.deep import DeepConfig, DeepFeatures
from latentedit.predictors.features import FeatureConfig, GradientFeatures
from latentedit.predictors.omi import FaceFeatures, OmiAssessor
from latentedit.predictors.patches import PatchConfig
from latentedit.predictors.placement import Placement
from latentedit.statistics import bootstrap_spearman, spearman
from latentedit.training.calibration import conformal_half_width, measure_calibration
from latentedit.training.description import CHUNK, KEPT_OUT, Description, choose_teachers, describe_faces
from latentedit.training.dictionary import learn_patches
from latentedit.training.model_card import OMI, DataSource, write_card
from latentedit.training.placing import learn_placement
from latentedit.training.ratings import NUM_FOLDS, NUM_REPEATS, RatedFaces, deal_folds, load_faces
from latentedit.training.two_stages import GAMMA, TwoStages, cross_validate, fit_stages
from latentedit.training.views import VIEWS, View, unchanged

FEATURES: dict[str, Callable[[Tensor, int], FaceFeatures]] = {  # of each assessor, from faces and a seed
    "omi": lambda _images, _seed: GradientFeatures(FeatureConfig()),
    "deep": lambda _images, _seed: DeepFeatures(DeepConfig()),
    "patches": lambda images, seed: learn_patches(images, PatchConfig(), seed),
}


def train_assessor(
    data: str | Path, out: str | Path, name: str = "omi", seed: int = 0, quiet: bool = False, source: DataSource = OMI
) -> dict[str, Any]:
    """Train on `data`, write `out` (safetensors) and a model card beside it (.md), and return the header.

    `data` holds attribute_means.csv (column `stimulus` = file name, then one column an attribute)
    and images/. `name` is `omi`, `patches` or `deep`, which differ in what they see in a face. The seed
    draws the patches and the bootstrap, and deals the folds of faces other than OMI's.
    """
    out = Path(out)
    _check(name, out)
    faces = load_faces(Path(data), quiet)
    features = FEATURES[name](faces.images, seed)
    placement = learn_placement(faces.images[choose_teachers(len(faces.images))], seed=seed)
    description = describe_faces(faces.images, features, placement, quiet)
    gram = description.gram
    predictions = cross_validate(gram, faces.ratings, deal_folds(faces.stimuli, name, seed), quiet)
    stages = fit_stages(gram, faces.ratings)
    assessor = build_assessor(name, stages, description, features, placement, faces.attributes)
    calibrate(assessor, predictions, faces.ratings)
    header = {
        "source": source.citation,
        "licence": source.licence,
        "limits": source.limits,
        "training": {"faces": len(faces.images), "seed": seed},
        "cross_validation": {
            "folds": NUM_FOLDS,
            "repeats": NUM_REPEATS,
            "spearman": measure_spearman(predictions, faces, seed),
        },
        "calibration": {
            attribute: measure_calibration(predictions[0, :, i], faces.ratings[:, i])
            for i, attribute in enumerate(faces.attributes)
        },
        "robustness": measure_robustness(assessor, faces.images[:: KEPT_OUT * features.sparing]),
    }
    assessor.save(out, header)
    write_card(out.with_suffix(".md"), name, source, header)
    return header


def _check(name: str, out: Path) -> None:
    """Fail before the work and not after it."""
    if name not in FEATURES:
        raise InputError(f"no assessor is called {name!r}: {suggest(name, list(FEATURES))}")
    if out.suffix != ".safetensors":
        raise InputError(f"{out}: name the file to write with the ending .safetensors")
    if not os.access(out.parent, os.W_OK):
        raise InputError(f"{out}: {out.parent} is no folder that can be written to, make it first")


def build_assessor(
    name: str,
    stages: TwoStages,
    description: Description,
    features: FaceFeatures,
    placement: Placement,
    attributes: tuple[str, ...],
) -> OmiAssessor:
    """Turn weights on faces into weights on features."""
    weight = stages.first.dual.t() @ description.damped.double() * description.scales
    assessor = OmiAssessor(features, attributes, len(stages.supports), GAMMA, name, placement)
    fitted = {
        "weight": weight.half(),  # what the file holds is what is measured
        "bias": stages.first.bias,
        "center": stages.center,
        "scale": stages.scale,
        "supports": stages.supports,
        "support_weight": stages.second.dual,
        "support_bias": stages.second.bias,
    }
    assessor.load_state_dict(assessor.state_dict() | fitted)
    return assessor.eval()


def calibrate(assessor: OmiAssessor, predictions: Tensor, ratings: Tensor) -> None:
    """Give an assessor its intervals and spreads, from predictions for left-out faces [R, N, A]."""
    assessor.rated_mean.copy_(ratings.mean(dim=0))
    assessor.stretch.copy_((ratings.std(dim=0) / predictions.std(dim=1)).mean(dim=0))
    assessor.half_width.copy_(conformal_half_width(ratings - predictions[0], COVERAGE))


def measure_spearman(predictions: Tensor, faces: RatedFaces, seed: int) -> dict[str, dict[str, Any]]:
    """Correlate predictions [R, N, A] with ratings, with 95 % bootstrap intervals; means over repeats."""
    figures = {}
    for i, attribute in enumerate(faces.attributes):
        rated, repeats = faces.ratings[:, i].numpy(), predictions[:, :, i].numpy()
        lows, highs = zip(*(bootstrap_spearman(predicted, rated, seed) for predicted in repeats), strict=True)
        rho = spearman(repeats, rated[None])
        figures[attribute] = {"rho": float(rho.mean()), "low": mean(lows), "high": mean(highs), "n": len(rated)}
    return figures


@torch.no_grad()
def measure_robustness(assessor: OmiAssessor, images: Tensor) -> dict[str, dict[str, float]]:
    """Measure how far each view of faces moves their scores: mean |change| / SD over faces, by attribute."""
    clean = _rate(assessor, images, unchanged)
    figures = {}
    for name, view in VIEWS.items():
        shares = (_rate(assessor, images, view) - clean).abs().mean(dim=0) / clean.std(dim=0)
        figures[name] = dict(zip(assessor.attributes, shares.tolist(), strict=True))
    return figures


def _rate(assessor: OmiAssessor, images: Tensor, view: View) -> Tensor:
    """Rate one view of faces: uint8 [N, 3, H, W] -> [N, A]."""
    return torch.cat([assessor(view(to_images(chunk))) for chunk in torch.split(images, CHUNK)])
