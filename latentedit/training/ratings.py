"""Rated faces: a table of mean ratings, the images it names, and the folds they are dealt to."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import InputError
from latentedit.photographs import list_images, load_square

RATINGS_FILE, IMAGES_FOLDER, KEY_COLUMN = "attribute_means.csv", "images", "stimulus"
SIDE = 256  # pixels: faces are read at this size, so that the assessor's own resizing is trained too
NUM_FOLDS, NUM_REPEATS = 5, 3


@dataclass(frozen=True)
class RatedFaces:
    """Faces uint8 [N, 3, 256, 256], their names, and their ratings float64 [N, len(attributes)]."""

    stimuli: tuple[str, ...]
    images: Tensor
    ratings: Tensor
    attributes: tuple[str, ...]


def load_faces(data: Path, quiet: bool = False) -> RatedFaces:
    """Read DATA/attribute_means.csv and the faces it names in DATA/images."""
    stimuli, attributes, ratings = read_ratings(data / RATINGS_FILE)
    paths = list_images([data / IMAGES_FOLDER])
    named = {path.stem: path for path in paths} | {path.name: path for path in paths}
    missing = [stimulus for stimulus in stimuli if stimulus not in named]
    if missing:
        raise InputError(f"{data / IMAGES_FOLDER} lacks {len(missing)} rated images, the first is {missing[0]!r}")
    faces = [load_square(named[stimulus], SIDE) for stimulus in tqdm(stimuli, desc="reading faces", disable=quiet)]
    return RatedFaces(tuple(stimuli), torch.stack(faces), ratings, attributes)


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


def deal_folds(stimuli: tuple[str, ...], assessor: str, seed: int) -> Tensor:
    """Deal faces to folds: -> [NUM_REPEATS, N], each 0 to NUM_FOLDS - 1.

    The faces of One Million Impressions have fixed folds, other ones for each assessor; any other
    set of faces is dealt by the seed.
    """
    fixed = _read_folds(assessor)
    if fixed.keys() == set(stimuli):
        return torch.tensor([fixed[stimulus] for stimulus in stimuli]).t()
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(stimuli), generator=generator) for _ in range(NUM_REPEATS)]
    return torch.stack([order.argsort() % NUM_FOLDS for order in orders])


def _read_folds(assessor: str) -> dict[str, list[int]]:
    """Read the folds of each face, one in every repeat."""
    table = resources.files("latentedit") / "assets" / "omi_folds.csv"
    columns = [f"{assessor}_{repeat}" for repeat in range(1, NUM_REPEATS + 1)]
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return {row[KEY_COLUMN]: [int(row[column]) for column in columns] for row in rows}
