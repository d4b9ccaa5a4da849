"""The quality of a generator: its samples held against the images it was trained on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from latentedit.checkpoints import Checkpoint
from latentedit.errors import InputError, about
from latentedit.files import staged
from latentedit.inversion.detection import Detector
from latentedit.latents import sample
from latentedit.photographs import list_images, load_square, to_images
from latentedit.pictures import image_grid
from latentedit.rendering import render
from latentedit.training.census import count_faces
from latentedit.training.feature_store import FeatureStore, Measuring
from latentedit.training.measures import frechet_distance, kernel_distance, nearest, precision_and_recall
from latentedit.training.model_card import format_measures

NEIGHBOURS = 32  # samples on the sheet
COLUMNS = 8
FEWEST = 8  # either half then has three neighbours for every image
SHIFT = 1 / 16  # of the side, of the copies that prove the search for neighbours


@dataclass(frozen=True)
class Photographs:
    """The images a generator was trained on, at its resolution."""

    paths: Sequence[Path]
    img_resolution: int

    def load(self, start: int, stop: int) -> Tensor:
        """Read some: -> [stop - start, 3, R, R] in [-1, 1]."""
        return to_images(torch.stack([load_square(path, self.img_resolution) for path in self.paths[start:stop]]))

    def stamp(self) -> list[Any]:
        """Say which files they are, and at which size they are read."""
        return [self.img_resolution, [_stamp(path) for path in self.paths]]


def _stamp(path: Path) -> tuple[str, int, int]:
    with about(path):
        status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Samples:
    """A generator's faces of the seeds 0, 1, ..."""

    checkpoint: Checkpoint
    truncation_psi: float

    def load(self, start: int, stop: int) -> Tensor:
        """Render some, rounded as a PNG would hold them: -> [stop - start, 3, R, R] in [-1, 1]."""
        ws = sample(self.checkpoint.generator, range(start, stop), self.truncation_psi)
        images = render(self.checkpoint.generator, ws).cpu()
        return ((images + 1) * 127.5).round() / 127.5 - 1

    def stamp(self) -> list[Any]:
        """Say whose samples they are."""
        return [self.checkpoint.fingerprint, self.truncation_psi]


def measure_generator(
    data: Sequence[Path],
    checkpoint: Checkpoint,
    outdir: Path,
    measuring: Measuring,
    num_samples: int = 10_000,
    truncation_psi: float = 1.0,
    detector: Detector | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Write measures.json, measures.md and neighbours.png into `outdir`; return the measures.

    With a detector, `faces` counts how many of 64 samples at psi 0.7 it takes for faces.

    The features lie there too: a killed run goes on, and another generator finds those of the real images.
    """
    photographs = Photographs(list_images(data), checkpoint.config.img_resolution)
    if min(len(photographs.paths), num_samples) < FEWEST:
        raise InputError(f"{len(photographs.paths)} images, {num_samples} samples: give {FEWEST} of each at least")
    samples = Samples(checkpoint, truncation_psi)
    store = FeatureStore(outdir, measuring, quiet)
    real = store.collect("real", photographs, len(photographs.paths))
    drawn = store.collect("samples", samples, num_samples)
    measures = {
        "generator": {"source": checkpoint.source, "fingerprint": checkpoint.fingerprint},
        "settings": {"input_size": measuring.input_size, "truncation_psi": truncation_psi},
        **compare(real, drawn),
        "neighbours": compare_neighbours(real, drawn, describe_copies(photographs, measuring)),
    }
    if detector:
        measures["faces"] = count_faces(checkpoint.generator, detector)
    with staged(outdir) as stage:
        (stage / "measures.json").write_text(json.dumps(measures, indent=2) + "\n", encoding="utf-8")
        (stage / "measures.md").write_text(format_measures(measures), encoding="utf-8")
        closest = nearest(drawn[:NEIGHBOURS], real)[1].tolist()
        twins = torch.cat([photographs.load(i, i + 1) for i in closest])
        pair_up(samples.load(0, len(twins)), twins).save(stage / "neighbours.png")
    return measures


def describe_copies(photographs: Photographs, measuring: Measuring) -> dict[str, Tensor]:
    """Compute the features of the first real images mirrored, and shifted: -> [N, D] each."""
    images = photographs.load(0, NEIGHBOURS)
    steps = round(photographs.img_resolution * SHIFT)
    copies = {"mirrored": images.flip(3), "shifted": images.roll((steps, steps), (2, 3))}
    return {name: measuring.describe(copy) for name, copy in copies.items()}


def compare(real: Tensor, samples: Tensor) -> dict[str, Any]:
    """Measure samples against real images, and two random halves of these against one another: [N, D], [M, D]."""
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
    first, second = real[order[: len(real) // 2]], real[order[len(real) // 2 :]]
    return {"samples": _measures(real, samples), "floor": _measures(first, second)}


def _measures(real: Tensor, samples: Tensor) -> dict[str, float | int]:
    return {
        "num_real": len(real),
        "num_samples": len(samples),
        "frechet_distance": frechet_distance(real, samples),
        "kernel_distance": kernel_distance(real, samples),
        **precision_and_recall(real, samples)._asdict(),
    }


def compare_neighbours(real: Tensor, samples: Tensor, copies: dict[str, Tensor]) -> dict[str, Any]:
    """Give median distances to the nearest real image, of samples, real images (to another one) and altered copies.

    `copies` are made from the first real images; `found` is the share of them whose nearest is their original.
    """
    others = torch.cdist(real, real).fill_diagonal_(torch.inf).amin(dim=1)
    result: dict[str, Any] = {
        "samples": {"distance": float(nearest(samples, real)[0].median())},
        "real images": {"distance": float(others.median())},
    }
    for name, features in copies.items():
        distances, indices = nearest(features, real)
        found = (indices == torch.arange(len(features))).double().mean()
        result[f"{name} copies"] = {"distance": float(distances.median()), "found": float(found)}
    return result


def pair_up(samples: Tensor, twins: Tensor) -> Image.Image:
    """Lay samples in rows of 8, each above its nearest training image: two [N, 3, R, R] -> one picture."""
    rows = [
        row for pair in zip(torch.split(samples, COLUMNS), torch.split(twins, COLUMNS), strict=True) for row in pair
    ]
    blank = [samples.new_ones(len(rows[0]) - len(row), *row.shape[1:]) for row in rows]
    grid = torch.stack([torch.cat(parts) for parts in zip(rows, blank, strict=True)])
    return image_grid(grid, row_labels=["sample", "nearest"] * (len(rows) // 2))
