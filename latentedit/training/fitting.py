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
from latentedit.predictors import Predictor, make_predictor, save_predictor
from latentedit.predictors.captions import Table, read_captions
from latentedit.predictors.face_text import FaceText, load_tokenizer, tokenize
from latentedit.statistics import Floats, rescale
from latentedit.training.examples import RESOLUTION, Examples
from latentedit.training.predictor import PredictorTraining
from latentedit.training.processes import Processes
from latentedit.training.regimen import Regimen

FEWEST = 10  # images in train or val
Describe = Callable[[Dataset, Predictor], tuple[Tensor, ...]]  # the words that go with a data set's images


def read_words(dataset: Dataset, network: Predictor, captions: Path, tokenizer: str) -> tuple[Tensor, ...]:
    """Cut each image's caption into as many tokens as the network reads: -> tokens and mask [N, L]."""
    if not isinstance(network, FaceText) or network.mode == "image":
        raise InputError(f"{captions}: this predictor reads no descriptions, leave them out")
    table = Table(read_captions(captions))
    words = [table(Path(image.name)) for image in dataset.images]
    return tokenize(words, load_tokenizer(tokenizer), network.num_tokens)


def prepare(
    regimen: Regimen,
    dataset: Dataset,
    cropping: Cropping | None = None,
    describe: Describe = lambda *_: (),
    starts: Mapping[str, Path] | None = None,
    processes: Processes | None = None,
    device: torch.device | None = None,
    resolution: int = RESOLUTION,
) -> PredictorTraining:
    """Make a preset's network and set it before the splits `train` and `val` of a data set.

    `describe` gives the words that go with images, `starts` files of weights for parts of the network, and
    `resolution` is the side in pixels that pictures are opened at.
    """
    parts = [dataset.select(split) for split in ("train", "val")]
    for part, split in zip(parts, ("train", "val"), strict=True):
        if len(part.images) < FEWEST:
            raise InputError(f"{dataset.name} has {len(part.images)} images in {split}: {FEWEST} are the fewest")
    with torch.random.fork_rng():
        torch.manual_seed(regimen.seed)
        network = make_predictor(regimen.preset.predictor, **regimen.preset.settings)
    network.start_from(starts or {})
    cropping = cropping or Cropping(network.framing)
    train, val = (Examples(part, cropping, describe(part, network), resolution) for part in parts)
    knows = bool(starts)
    return PredictorTraining(network.to(device or torch.device("cpu")), regimen, train, val, processes, knows)


def predict_split(
    training: PredictorTraining, dataset: Dataset, split: str, describe: Describe = lambda *_: ()
) -> Floats:
    """Predict a split, opened as the training's images are: -> [N] on the scale of the data set's scores."""
    part = dataset.select(split)
    examples = Examples(part, training.train.cropping, describe(part, training.network), training.train.resolution)
    return rescale(training.predict(examples).double().numpy(), (0.0, 1.0), dataset.range)


def export_predictor(training: PredictorTraining, path: Path) -> None:
    """Write the network as one file, which says what it learned from and how it went."""
    preset, data = training.regimen.preset, training.train.dataset
    header: dict[str, Any] = {
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
    save_predictor(path, training.network, preset.predictor, preset.settings, header)
