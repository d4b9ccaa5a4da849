"""`latentedit expose`: show an autoencoder each image once, and hold what it fails at against people's scores."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentedit.cli import arguments, datasets, printing
from latentedit.reporting import recorded, write_run

if TYPE_CHECKING:
    from latentedit.datasets import Dataset
    from latentedit.training.exposure import Exposure

EXAMPLES = """\
  latentedit train autoencoder --data faces/ --width 8 --input-size 64 --epochs 4 --out small.safetensors
  latentedit expose --data omi/ --autoencoder small.safetensors --input-size 64 --targets memorable typical
  latentedit expose --data memcat/ --autoencoder imagenet-vgg16.pth --error lpips-squeeze --lr 5e-6
"""
MEASURED = ("mse", "mae", "ssim")


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    summary = "show an autoencoder each image once, and see what it fails at"
    parser = arguments.add_command(commands, "expose", run, summary, EXAMPLES)
    parser.add_argument("--data", type=Path, required=True, help="rated images: see `latentedit datasets`")
    datasets.add_reading(parser)
    parser.add_argument("--targets", nargs="+", default=[], metavar="NAME", help="more scores to hold it against")
    parser.add_argument("--autoencoder", type=Path, required=True, help="imagenet-autoencoder's file, or your own")
    parser.add_argument("--error", default="mse", help="that the exposure lowers, such as lpips-squeeze (default mse)")
    parser.add_argument("--errors", nargs="+", default=MEASURED, help="that are measured after it (mse mae ssim)")
    parser.add_argument("--lr", type=arguments.parse_positive, default=5e-6, help="of the exposure (default 5e-6)")
    parser.add_argument("--input-size", type=arguments.parse_count, default=224, metavar="PX", help="default 224")
    arguments.add_output(parser, outdir="exposure")


def run(args: argparse.Namespace) -> None:
    """Expose, examine, correlate, write and print."""
    from latentedit.datasets import inspect_dataset, require_sound
    from latentedit.evaluation.tables import format_estimate
    from latentedit.statistics import Estimate
    from latentedit.training.exposure import correlate

    dataset = datasets.read(args)
    require_sound(inspect_dataset(dataset, args.quiet))
    scores = {dataset.target: dataset.scores.tolist(), **_read_scores(args)}
    exposure = _expose(args, dataset)
    rows = correlate(exposure, scores)
    with recorded(args.outdir) as folder:
        _write(folder, dataset, exposure, rows)
        write_run(folder, flags=arguments.describe_flags(args))
    cells = [
        [row["measure"], row["score"], format_estimate(Estimate(row["spearman"], *row["interval"]))] for row in rows
    ]
    lines = [*printing.table(["measure", "score", "Spearman"], cells, left=2), f"written    {args.outdir}"]
    printing.announce(args, {"correlations": rows}, lines)


def _read_scores(args: argparse.Namespace) -> dict[str, list[float]]:
    from latentedit.datasets import read_dataset

    return {name: read_dataset(args.data, args.layout, name, args.number).scores.tolist() for name in args.targets}


def _expose(args: argparse.Namespace, dataset: Dataset) -> Exposure:
    """Let the autoencoder see every image once, in order, and measure it."""
    from latentedit.datasets.crops import Cropping
    from latentedit.predictors.autoencoder import load_autoencoder
    from latentedit.predictors.reconstruction import load_error
    from latentedit.training.exposure import examine, expose_once

    errors = {name: load_error(name) for name in args.errors}
    network, count, cropping = load_autoencoder(args.autoencoder), len(dataset.images), Cropping()

    def load(row: int) -> Any:
        return cropping.load(dataset.images[row], args.input_size) / 255

    expose_once(network, count, load, load_error(args.error), args.lr, args.quiet)
    return examine(network, count, load, errors, quiet=args.quiet)


def _write(folder: Path, dataset: Dataset, exposure: Exposure, rows: list[dict[str, Any]]) -> None:
    """Write exposure.csv, a row an image, and correlations.json."""
    measures = {**exposure.errors, "distinctiveness": exposure.distinctiveness}
    with (folder / "exposure.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["image", dataset.target, *measures])
        for i, image in enumerate(dataset.images):
            table.writerow([image.name, image.score, *(f"{values[i]:.6g}" for values in measures.values())])
    (folder / "correlations.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
