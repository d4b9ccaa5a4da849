"""Features of images, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import about, damaged
from latentedit.files import replacing
from latentedit.predictors.features import resize
from latentedit.predictors.resnet import ResNet

BATCH = 8
SAVE_EVERY = 20  # batches


@dataclass(frozen=True)
class Measuring:
    """What images are measured with; every image is brought to `input_size` pixels."""

    network: ResNet
    input_size: int = 224

    @torch.inference_mode()
    def describe(self, images: Tensor) -> Tensor:
        """Compute features: [N, 3, R, R] in [-1, 1] -> [N, 2048]."""
        images = images.to(self.network.fc.weight.device, memory_format=torch.channels_last)
        return self.network.pooled_features(resize(images, self.input_size) / 2 + 0.5).cpu()


class ImageSource(Protocol):
    """Numbered images, and what tells them from others, fit for JSON."""

    def load(self, start: int, stop: int) -> Tensor:
        """Make some: -> [stop - start, 3, R, R] in [-1, 1]."""

    def stamp(self) -> Any:
        """Say which images they are."""


class FeatureStore:
    """Features on disk, one file of rows a set of images, computed where they are missing."""

    def __init__(self, folder: Path, measuring: Measuring, quiet: bool) -> None:
        self.folder, self.measuring, self.quiet = folder, measuring, quiet

    def collect(self, name: str, images: ImageSource, count: int) -> Tensor:
        """Describe images 0 to `count`, going on from the rows on disk: -> [count, D]."""
        stamp = json.dumps([self.measuring.input_size, images.stamp()])
        digest = hashlib.sha256(stamp.encode()).hexdigest()[:12]
        path = self.folder / f"features-{name}-{digest}.npy"
        with about(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        rows = [self._load(path)] if path.exists() else []
        done = sum(map(len, rows))
        starts = range(done, count, BATCH)
        for i, start in enumerate(tqdm(starts, desc=f"measuring {name}", unit="batch", disable=self.quiet)):
            rows.append(self.measuring.describe(images.load(start, min(start + BATCH, count))))
            if i % SAVE_EVERY == SAVE_EVERY - 1 or start == starts[-1]:
                rows = [torch.cat(rows)]
                self._save(path, rows[0])
        return torch.cat(rows)[:count]

    def _load(self, path: Path) -> Tensor:
        with about(path), damaged("damaged features: remove the file"):
            return torch.from_numpy(np.load(path, allow_pickle=False))

    def _save(self, path: Path, rows: Tensor) -> None:
        with about(path), replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, rows.numpy())
