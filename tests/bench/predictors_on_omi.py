"""What docs/predictors.md reports of ResMem and of one exposure on OMI: `python tests/bench/predictors_on_omi.py`.

Reads ../shared/data. The exposure is a small one: an autoencoder of width 8 at 64 px, trained on other faces first.
ResMem's scores are kept in --outdir, so that a run goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import torch
from torch import Tensor

import latentedit as le
from latentedit.photographs import list_images, load_square
from latentedit.predictors.autoencoder import Autoencoder
from latentedit.predictors.reconstruction import load_error, mean_squared
from latentedit.scoresheet import Photographs, Sheet, score_rows
from latentedit.training.exposure import Exposure, correlate, examine, expose_once

RESOLUTION, WIDTH, EPOCHS, BATCH, LEARNING_RATE = 64, 8, 4, 16, 2e-3
EXPOSURE_RATE = 1e-4
ATTRIBUTES = ("memorable", "typical", "happy", "age", "attractive", "gender")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--outdir", type=Path, default=Path("runs/predictors"))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.outdir.mkdir(parents=True, exist_ok=True)
    with (args.data / "omi" / "attribute_means.csv").open() as file:
        rows = list(csv.DictReader(file))
    paths = [args.data / "omi" / "images" / f"{row['stimulus'].removesuffix('.jpg')}.jpg" for row in rows]
    scores = {name: [float(row[name]) for row in rows] for name in ATTRIBUTES}
    few = {name: scores[name] for name in ("memorable", "typical")}
    print_rows("one exposure", correlate(expose(args.data, paths), few))
    print_rows("resmem", correlate(score_with_resmem(paths, args.outdir), scores))


def score_with_resmem(paths: list[Path], outdir: Path) -> Exposure:
    """Score faces: the scores stand where `correlate` looks for errors."""
    source, sheet = Photographs(paths), Sheet(outdir / "resmem.json", ["resmem"])
    done = sheet.resume(source.names)
    for _ in sheet.append(score_rows(source, [le.load_scorer("resmem")], done)):
        pass
    scores = torch.tensor([row["resmem"] for row in sheet.rows()])
    print(f"resmem: {scores.min():.3f} to {scores.max():.3f}, mean {scores.mean():.3f}, SD {scores.std():.3f}")
    return Exposure({"resmem": scores}, scores)


def expose(data: Path, paths: list[Path]) -> Exposure:
    """Train an autoencoder on other faces, expose it to these once, and examine it."""
    torch.manual_seed(0)
    network = Autoencoder(WIDTH)
    _train(network, torch.stack([load_square(path, RESOLUTION) for path in list_images([data / "faces"])]))
    faces = torch.stack([load_square(path, RESOLUTION) for path in paths])
    expose_once(network, len(faces), lambda row: faces[row] / 255, mean_squared, EXPOSURE_RATE, quiet=False)
    errors = {name: load_error(name) for name in ("mse", "mae", "ssim")}
    return examine(network, len(faces), lambda row: faces[row] / 255, errors)


def _train(network: Autoencoder, faces: Tensor) -> None:
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    for _ in range(EPOCHS):
        order = torch.randperm(len(faces))
        for rows in order[: len(order) // BATCH * BATCH].split(BATCH):
            images = faces[rows] / 255
            images = images.flip(-1) if torch.rand(()) < 0.5 else images
            loss = mean_squared(images, network(images)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def print_rows(title: str, rows: list[dict]) -> None:
    for row in rows:
        low, high = row["interval"]
        print(f"{title:14} {row['measure']:16} {row['score']:10} {row['spearman']:+.3f} [{low:+.3f}, {high:+.3f}]")


if __name__ == "__main__":
    main()
