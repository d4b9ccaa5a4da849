"""Train the assessor `omi` from a folder of rated faces, and measure honestly how well it ranks new ones."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import InputError
from latentedit.photographs import list_images, load_square, to_images
from latentedit.predictors.features import FeatureConfig, face_features
from latentedit.predictors.omi import OmiAssessor, gaussian_kernel
from latentedit.statistics import bootstrap_spearman, spearman
from latentedit.training.model_card import DataSource, write_card
from latentedit.training.ridge import Ridge, fit_ridge

RATINGS_FILE, IMAGES_FOLDER, KEY_COLUMN = "attribute_means.csv", "images", "stimulus"
SIDE = 256  # pixels: faces are read at this size, so that the assessor's own resizing is trained too
GAMMA = 0.5
NUM_FOLDS = 5
CHUNK = 32  # faces at a time
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
        "The faces are StyleGAN2's, trained on FFHQ: photographs, other frames and other generators are new to it.",
        "It sees 64 x 64 px, whatever it is given: finer detail does not count.",
        "It looks at edges of colour, which JPEG blurs in images as small as that: keep 64 px faces as PNG.",
    ),
)


@dataclass(frozen=True)
class RatedFaces:
    """Faces uint8 [N, 3, 256, 256] and their ratings float64 [N, len(attributes)]."""

    images: Tensor
    ratings: Tensor
    attributes: tuple[str, ...]


@dataclass(frozen=True)
class TwoStages:
    """The fitted assessor in terms of its training faces; `gains` [B] brings feature blocks to unit variance."""

    gains: Tensor
    first: Ridge
    center: Tensor
    scale: Tensor
    second: Ridge

    @property
    def supports(self) -> Tensor:
        """The traits that the second stage compares with, as the first rates left-out faces: [N, A]."""
        return (self.first.left_out - self.center) / self.scale

    def predict(self, grams: Tensor) -> Tensor:
        """Rate new faces from their products with the training faces: [B, M, N] -> [M, A]."""
        linear = self.first.predict(torch.tensordot(self.gains, grams, dims=1))
        kernel = gaussian_kernel((linear - self.center) / self.scale, self.supports, GAMMA)
        return linear + self.second.predict(kernel)


def train_assessor(
    data: str | Path, out: str | Path, seed: int = 0, quiet: bool = False, source: DataSource = OMI
) -> dict[str, Any]:
    """Train on `data`, write `out` (safetensors) and a model card beside it (.md), and return the header.

    `data` holds attribute_means.csv (column `stimulus` = file name, then one column an attribute)
    and images/. The seed deals the faces to folds and draws the bootstrap; the weights don't depend on it.
    """
    out = Path(out)
    _check_writable(out)
    faces = load_faces(Path(data), quiet)
    config = FeatureConfig()
    blocks = mirrored_features(faces.images, config, quiet)
    grams = torch.stack([block.double() @ block.double().t() for block in blocks])
    predictions = cross_validate(grams, faces.ratings, seed, quiet)
    assessor = build_assessor(fit_stages(grams, faces.ratings), blocks, faces.attributes, config)
    header = {
        "source": source.citation,
        "licence": source.licence,
        "limits": source.limits,
        "training": {"faces": len(faces.images), "seed": seed},
        "cross_validation": {
            "folds": NUM_FOLDS,
            "spearman": measure_spearman(predictions, faces, seed),
        },
        "resolution": measure_resolution(assessor, faces.images, quiet),
    }
    assessor.save(out, header)
    write_card(out.with_suffix(".md"), source, header)
    return header


def _check_writable(out: Path) -> None:
    """Fail before the work and not after it."""
    if out.suffix != ".safetensors":
        raise InputError(f"{out}: name the file to write with the ending .safetensors")
    if not os.access(out.parent, os.W_OK):
        raise InputError(f"{out}: {out.parent} is no folder that can be written to, make it first")


def load_faces(data: Path, quiet: bool = False) -> RatedFaces:
    """Read DATA/attribute_means.csv and the faces it names in DATA/images."""
    stimuli, attributes, ratings = read_ratings(data / RATINGS_FILE)
    paths = list_images([data / IMAGES_FOLDER])
    named = {path.stem: path for path in paths} | {path.name: path for path in paths}
    missing = [stimulus for stimulus in stimuli if stimulus not in named]
    if missing:
        raise InputError(f"{data / IMAGES_FOLDER} lacks {len(missing)} rated images, the first is {missing[0]!r}")
    faces = [load_square(named[stimulus], SIDE) for stimulus in tqdm(stimuli, desc="reading faces", disable=quiet)]
    return RatedFaces(torch.stack(faces), ratings, attributes)


def read_ratings(path: Path) -> tuple[list[str], tuple[str, ...], Tensor]:
    """Read a table of ratings: -> N file names, A attributes, float64 [N, A]."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            columns, *rows = csv.reader(file)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; --data names a folder with {RATINGS_FILE}") from error
    except (ValueError, csv.Error) as error:  # an empty file or no text
        raise InputError(f"{path} is no table of ratings: it needs a first line of column names") from error
    if KEY_COLUMN not in columns or len(columns) < 2:
        raise InputError(f"{path} has columns {', '.join(columns)}: it needs {KEY_COLUMN!r} and one an attribute")
    if len(rows) < 2 * NUM_FOLDS:
        raise InputError(f"{path} rates {len(rows)} faces: at least {2 * NUM_FOLDS} are needed")
    key = columns.index(KEY_COLUMN)
    ratings = [_parse_row(path, line, row, columns, key) for line, row in enumerate(rows, start=2)]
    table = torch.tensor(ratings, dtype=torch.float64)
    stimuli, attributes = [row[key] for row in rows], tuple(columns[:key] + columns[key + 1 :])
    if len(set(stimuli)) < len(stimuli):  # a face in two folds would flatter the cross-validation
        raise InputError(f"{path} rates {len(stimuli) - len(set(stimuli))} faces twice: give each one row")
    for attribute, spread in zip(attributes, table.std(dim=0).tolist(), strict=True):
        if not spread:
            raise InputError(f"{path}: every face has the same {attribute!r}, drop that column")
    return stimuli, attributes, table


def _parse_row(path: Path, line: int, row: list[str], columns: list[str], key: int) -> list[float]:
    """Read the ratings of one face, all finite."""
    try:
        ratings = [float(cell) for i, cell in enumerate(row) if i != key]
    except ValueError as error:
        raise InputError(f"{path}, line {line}: {error}") from error
    if len(row) != len(columns) or not np.isfinite(ratings).all():
        raise InputError(f"{path}, line {line}: {len(columns)} cells are needed, every rating a finite number")
    return ratings


def mirrored_features(images: Tensor, config: FeatureConfig, quiet: bool = False) -> list[Tensor]:
    """Average the features of each face and its mirror image: uint8 [N, 3, H, W] -> blocks [N, features]."""
    chunks = []
    for i in tqdm(range(0, len(images), CHUNK), desc="describing faces", disable=quiet):
        faces = to_images(images[i : i + CHUNK])
        pairs = zip(face_features(faces, config), face_features(faces.flip(-1), config), strict=True)
        chunks.append([(one + other) / 2 for one, other in pairs])
    return [torch.cat(block) for block in zip(*chunks, strict=True)]


def fit_stages(grams: Tensor, ratings: Tensor) -> TwoStages:
    """Fit both regressions: products of the faces' features [B, N, N], ratings [N, A] -> TwoStages.

    The second learns what the first gets wrong on faces it has not seen, from its leave-one-out ratings.
    """
    gains = 1 / (grams.diagonal(dim1=1, dim2=2).mean(dim=1) - grams.mean(dim=[1, 2]))
    first = fit_ridge(torch.tensordot(gains, grams, dims=1), ratings)
    center, scale = first.left_out.mean(dim=0), first.left_out.std(dim=0)
    traits = (first.left_out - center) / scale
    second = fit_ridge(gaussian_kernel(traits, traits, GAMMA), ratings - first.left_out)
    return TwoStages(gains, first, center, scale, second)


def cross_validate(grams: Tensor, ratings: Tensor, seed: int = 0, quiet: bool = False) -> Tensor:
    """Rate each face by an assessor fitted, penalties and all, to the other folds: -> [N, A]."""
    order = torch.randperm(len(ratings), generator=torch.Generator().manual_seed(seed))
    predictions = torch.empty_like(ratings)
    for k in tqdm(range(NUM_FOLDS), desc="cross-validating", disable=quiet):
        test = order[k::NUM_FOLDS]
        train = order[torch.arange(len(order)) % NUM_FOLDS != k]
        stages = fit_stages(grams[:, train][:, :, train], ratings[train])
        predictions[test] = stages.predict(grams[:, test][:, :, train])
    return predictions


def build_assessor(
    stages: TwoStages, blocks: list[Tensor], attributes: tuple[str, ...], config: FeatureConfig
) -> OmiAssessor:
    """Turn weights on faces into weights on features."""
    weights = [gain * stages.first.dual.t() @ block.double() for gain, block in zip(stages.gains, blocks, strict=True)]
    assessor = OmiAssessor(config, attributes, len(stages.supports), GAMMA)
    assessor.load_state_dict(
        {
            "weight": torch.cat(weights, dim=1).half(),  # what the file holds is what is measured
            "bias": stages.first.bias,
            "center": stages.center,
            "scale": stages.scale,
            "supports": stages.supports,
            "support_weight": stages.second.dual,
            "support_bias": stages.second.bias,
        }
    )
    return assessor.eval()


def measure_spearman(predictions: Tensor, faces: RatedFaces, seed: int) -> dict[str, dict[str, Any]]:
    """Correlate predictions with ratings, attribute by attribute, with 95 % bootstrap intervals over faces."""
    figures = {}
    for attribute, predicted, rated in zip(
        faces.attributes, predictions.t().numpy(), faces.ratings.t().numpy(), strict=True
    ):
        low, high = bootstrap_spearman(predicted, rated, seed)
        figures[attribute] = {"rho": float(spearman(predicted, rated)), "low": low, "high": high, "n": len(rated)}
    return figures


@torch.no_grad()
def measure_resolution(assessor: OmiAssessor, images: Tensor, quiet: bool = False) -> dict[str, dict[str, float]]:
    """Compare ratings of full-size faces with those of the same faces made small by other filters than its own.

    `least_correlation` is Pearson's, of the worst attribute; `largest_shift` the worst mean shift, in
    standard deviations of the attribute's ratings.
    """
    resamplings = {"64 px, box": ("area", 64), "64 px, bicubic": ("bicubic", 64), "32 px, box": ("area", 32)}
    chunks: dict[str, list[Tensor]] = {"full": [], **{name: [] for name in resamplings}}
    for i in tqdm(range(0, len(images), CHUNK), desc="measuring resolution", disable=quiet):
        faces = to_images(images[i : i + CHUNK])
        chunks["full"].append(assessor(faces))
        for name, (mode, side) in resamplings.items():
            small = F.interpolate(faces, size=(side, side), mode=mode, antialias=mode == "bicubic").clamp(-1, 1)
            chunks[name].append(assessor(small))
    ratings = {name: torch.cat(parts).double() for name, parts in chunks.items()}
    return {name: _compare(ratings["full"], ratings[name]) for name in resamplings}


def _compare(one: Tensor, other: Tensor) -> dict[str, float]:
    """Compare two ratings of the same faces: [N, A], [N, A] -> figures of the worst attribute."""
    x, y = one - one.mean(dim=0), other - other.mean(dim=0)
    correlation = (x * y).sum(dim=0) / (x.norm(dim=0) * y.norm(dim=0))
    shift = (other - one).mean(dim=0).abs() / one.std(dim=0)
    return {"least_correlation": float(correlation.min()), "largest_shift": float(shift.max())}
