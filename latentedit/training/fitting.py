"""From a preset and a data set to a trained predictor and its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentedit.datasets import Dataset
from latentedit.datasets.crops import Cropping
from latentedit.errors import InputError
from latentedit.predictors import FaceRegressor, make_predictor, save_predictor
from latentedit.predictors.captions import Table, read_captions
from latentedit.predictors.face_text import load_tokenizer, tokenize
from latentedit.training.examples import Examples
from latentedit.training.predictor import PredictorTraining
from latentedit.training.processes import Processes
from latentedit.training.regimen import Regimen

FEWEST = 10  # images in train or val


def read_words(dataset: Dataset, captions: Path, tokenizer: str) -> tuple[Tensor, Tensor]:
    """Cut each image's caption into tokens: -> tokens and mask [N, 512]."""
    table = Table(read_captions(captions))
    return tokenize([table(Path(image.name)) for image in dataset.images], load_tokenizer(tokenizer))


def prepare(
    regimen: Regimen,
    dataset: Dataset,
    settings: Mapping[str, Any] | None = None,
    cropping: Cropping | None = None,
    describe: Callable[[Dataset], tuple[Tensor, ...]] = lambda _: (),
    identities: Mapping[str, Path] | None = None,
    processes: Processes | None = None,
    device: torch.device | None = None,
) -> PredictorTraining:
    """Make a preset's network and set it before the splits `train` and `val` of a data set.

    `settings` change those of the preset, `describe` gives the words that go with images, and
    `identities` are files of VGGFace's or VGGFace2's weights to start from.
    """
    parts = [dataset.select(split) for split in ("train", "val")]
    for part, split in zip(parts, ("train", "val"), strict=True):
        if len(part.images) < FEWEST:
            raise InputError(f"{dataset.name} has {len(part.images)} images in {split}: {FEWEST} are the fewest")
    with torch.random.fork_rng():
        torch.manual_seed(regimen.seed)
        network = make_predictor(regimen.preset.predictor, **{**regimen.preset.settings, **(settings or {})})
    if identities:
        if not isinstance(network, FaceRegressor):
            raise InputError(f"{regimen.preset.predictor} has no network of faces to start: leave --identities out")
        network.load_identities(identities)
    cropping = cropping or Cropping(network.framing)
    train, val = (Examples(part, cropping, describe(part)) for part in parts)
    return PredictorTraining(network.to(device or torch.device("cpu")), regimen, train, val, processes)


def export_predictor(training: PredictorTraining, path: Path, settings: Mapping[str, Any] | None = None) -> None:
    """Write the network as one file, which says what it learned from and how it went."""
    preset, data = training.regimen.preset, training.train.dataset
    header = {
        "data": data.name,
        "target": data.target,
        "scale": list(data.range),
        "crop": training.train.cropping.crop,
        "images": len(data.images),
        "preset": {key: value for key, value in asdict(preset).items() if key != "settings"},
        "regimen": [training.regimen.schedule, training.regimen.precision, training.regimen.seed],
        "epochs": len(training.epochs),
        "validation": asdict(training.epochs[training.best_epoch]),
    }
    save_predictor(path, training.network, preset.predictor, {**preset.settings, **(settings or {})}, header)
