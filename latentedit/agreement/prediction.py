"""What predictors say of a data set, on the scale of its scores: asked now, or read from a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.datasets import Dataset
from latentedit.datasets.crops import Cropping
from latentedit.datasets.tables import find_column, parse_column, read_csv
from latentedit.errors import InputError
from latentedit.photographs import to_images
from latentedit.predictors import AnyScorer
from latentedit.statistics import Floats, rescale

CHUNK = 32  # images scored at once
RESOLUTION = 256  # pixels: as `latentedit score` brings photographs to


@torch.no_grad()
def predict(
    scorer: AnyScorer,
    dataset: Dataset,
    cropping: Cropping | None = None,
    words: Sequence[Tensor] = (),
    quiet: bool = True,
) -> Floats:
    """Score every image, cropped as the scorer wants it unless `cropping` says: -> [N] on the scale of the scores.

    `words` [N, ...] each are what a predictor of faces and descriptions reads beside the pictures.
    """
    cropping = cropping or Cropping(scorer.framing)
    scores = []
    for start in tqdm(range(0, len(dataset.images), CHUNK), desc=f"scoring {scorer.name}", disable=quiet):
        rows = slice(start, start + CHUNK)
        images = to_images(torch.stack([cropping.load(image, RESOLUTION) for image in dataset.images[rows]]))
        scores.append(scorer(images, *(part[rows] for part in words)).cpu().double())
    return rescale(torch.cat(scores).numpy(), scorer.range, dataset.range)


def read_predictions(path: Path, column: str, dataset: Dataset) -> Floats:
    """Read predictions from a CSV of `image` and a column each predictor, on the scale of the scores: -> [N].

    Rows are told by the image's name, or by the last part of its path.
    """
    rows = read_csv(path)
    names = [row[find_column(path, rows, ["image", "path"])] for row in rows]
    known = dict(zip(names, parse_column(path, rows, find_column(path, rows, [column])), strict=True))
    by_file = {Path(name).name: value for name, value in known.items()} | known
    keys = [next((key for key in (x.name, Path(x.name).name) if key in by_file), None) for x in dataset.images]
    if None in keys:
        lacking = dataset.images[keys.index(None)].name
        raise InputError(f"{path} lacks {keys.count(None)} images of {dataset.name}, the first is {lacking!r}")
    return np.array([by_file[key] for key in keys if key is not None])
