"""One training for each fold of a data set, whose predictions for the images that were left out are kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentedit.datasets import Dataset, deal_splits
from latentedit.errors import InputError, about, damaged
from latentedit.files import replacing
from latentedit.statistics import Floats
from latentedit.training.fitting import Describe, predict_split
from latentedit.training.predictor import OTHER, PredictorTraining, train_predictor
from latentedit.training.regimen import Regimen

Rows = NDArray[np.intp]
Make = Callable[[Regimen, Dataset], PredictorTraining]


@dataclass(frozen=True)
class FoldTraining:
    """Train on some rows of a data set and predict others, as `agreement.cross_validate` asks for each fold.

    A fifth of the training images, by `digests` with their copies, choose the epoch. `outdir` holds a folder for
    each fold, from which a run that was stopped goes on; whoever is not the first process writes nothing.
    """

    regimen: Regimen
    dataset: Dataset
    digests: tuple[str, ...]
    make: Make
    describe: Describe = lambda *_: ()
    made_from: str = ""  # what else `make` depends on, such as files of weights
    outdir: Path | None = None
    quiet: bool = True

    def __call__(self, train: Rows, test: Rows, seed: int) -> Floats:
        regimen, dealt = replace(self.regimen, seed=seed), self._deal(train, seed)
        folder = None if self.outdir is None else self.outdir / f"fold{seed}"
        record = hashlib.sha256(repr((regimen, dealt, self.made_from)).encode()).hexdigest()
        if folder is not None and (folder / "predictions.json").exists():
            return _read(folder / "predictions.json", record)
        training = train_predictor(self.make(regimen, dealt), folder, self.quiet)
        predictions = predict_split(training, dealt, "test", self.describe)
        if folder is not None and training.processes.leads:
            _write(folder / "predictions.json", record, predictions)
            (folder / "state.pt").unlink()
        return predictions

    def _deal(self, train: Rows, seed: int) -> Dataset:
        """Give each image its part in a fold: -> the data set with its splits."""
        splits = np.full(len(self.dataset.images), "test", dtype=object)
        dealt = deal_splits([self.digests[row] for row in train], seed)
        splits[train] = ["train" if split == "train" else "val" for split in dealt]
        return self.dataset.assign(list(splits))


def _read(path: Path, record: str) -> Floats:
    with about(path), damaged("is no fold's predictions: move it away or name another --outdir"):
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["record"] != record:
            raise InputError(OTHER)
        return np.array(found["predictions"], dtype=np.float64)


def _write(path: Path, record: str, predictions: Floats) -> None:
    with about(path), replacing(path) as temporary:
        temporary.write_text(json.dumps({"record": record, "predictions": predictions.tolist()}), encoding="utf-8")
