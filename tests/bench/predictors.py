"""Cross-validate every preset on rated faces, small enough for a CPU, and write the table of docs/predictors.md.

    python tests/bench/predictors.py --data ../shared/data

Every fold's predictions are kept in --outdir, so that a run goes on where it was stopped. Descriptions are written
from the mean ratings of other attributes of the same faces: no model that describes pictures is at hand.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from small_backbones import CLIP, SIDE, SMALL, STEPS, prepare_backbones

from latentedit.agreement import cross_validate
from latentedit.agreement.cross_validation import CrossValidation
from latentedit.datasets import Dataset, Inspection, inspect_dataset, read_dataset, require_sound
from latentedit.datasets.crops import Cropping
from latentedit.datasets.rated import File
from latentedit.evaluation.tables import format_estimate, format_markdown
from latentedit.predictors.presets import load_preset
from latentedit.statistics import Floats
from latentedit.training.fitting import prepare, read_words
from latentedit.training.folds import FoldTraining
from latentedit.training.regimen import Regimen

NUM_FOLDS, BATCH = 5, 64
FIGURES = ("Spearman", "R2")
BEGIN, END = "<!-- predictors -->", "<!-- /predictors -->"
DESCRIBED = ("age", "gender", "happy", "weight", "long-haired", "hair-color", "skin-color", "outdoors")
AMOUNTS = ("least", "little", "middling", "much", "most")
BERT = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}


@dataclass(frozen=True)
class Row:
    """A preset at a small size: the parts that start from faces, and what differs from the preset."""

    preset: str
    parts: tuple[str, ...] = ()
    epochs: int = 4
    learning_rate: float = 1e-4  # the presets' own
    settings: dict[str, Any] = field(default_factory=lambda: SMALL)


TEXT = {"text": BERT, "num_tokens": 40}
PATCHES = {"dropout": 0.5}  # of 4 patches, where .9 of 49 are left out
ROWS = (
    Row("vgg_hf_drop", ("vgg16",)),
    Row("vgg_hf", ("vgg16",)),
    Row("vggtrain", ("vgg16",)),
    Row("res_hf_drop", ("resnet50",)),
    Row("res_train_hf", ("resnet50",)),
    Row("restrain", ("resnet50",)),
    Row("sen_hf_drop", ("senet50",)),
    Row("sentrain", ("senet50",)),
    Row("resvgg", ("resnet50", "vgg16")),
    Row("senres", ("senet50", "resnet50")),
    Row("senvgg", ("senet50", "vgg16")),
    Row("senresvgg", ("senet50", "resnet50", "vgg16")),
    Row("visual_memory", ("backbone",)),
    Row("frozen_features", ("features",), 100, settings={"config": CLIP}),
    Row("latent_mlp", ("autoencoder",), 50),
    Row("face_only", ("senet50",), 12, 3e-4, SMALL | PATCHES),
    Row("text_only", (), 16, 2e-3, TEXT),
    Row("face_text", ("senet50",), 12, 3e-4, SMALL | TEXT | PATCHES),
)


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    inspection = inspect_dataset(read_dataset(args.data / "omi", target=args.target))
    require_sound(inspection)
    inspection = replace(inspection, dataset=shrink(inspection.dataset, args.outdir / "faces"))
    files = prepare_backbones(args.outdir / "backbones", args.backbones, args.backbone_steps)
    captions = write_captions(args.data / "omi" / "attribute_means.csv", args.outdir)
    found = {}
    for row in [row for row in ROWS if not args.presets or row.preset in args.presets]:
        start = time.process_time()
        found[row.preset] = cross_validate_preset(row, inspection, files, captions, args.outdir / args.target)
        print(f"{time.process_time() - start:.0f} s", *describe(row, found[row.preset]), flush=True)
    if not args.presets:
        write_table(args.docs, [describe(row, found[row.preset]) for row in ROWS])


def cross_validate_preset(
    row: Row, inspection: Inspection, files: dict[str, Path], captions: Path, outdir: Path
) -> CrossValidation:
    """Train a preset once a fold at the row's size, from what the row's parts know."""
    preset = load_preset(row.preset)
    settings = {**preset.settings, **row.settings}
    preset = replace(preset, epochs=row.epochs, batch=BATCH, learning_rate=row.learning_rate, settings=settings)

    def describe_faces(part: Dataset, network: Any) -> tuple[Any, ...]:
        return read_words(part, network, captions, str(captions.parent)) if "text" in settings else ()

    starts = {name: files[name] for name in row.parts}
    make = partial(prepare, cropping=Cropping("square"), describe=describe_faces, starts=starts, resolution=SIDE)
    regimen, digests = Regimen(preset, "cosine", "bf16"), inspection.digests
    folder = outdir / row.preset
    fit = FoldTraining(regimen, inspection.dataset, digests, make, describe_faces, repr(starts), folder)
    return cross_validate(fit, inspection.dataset.scores, digests, NUM_FOLDS)


def describe(row: Row, found: CrossValidation) -> list[str]:
    """Lay out what became of a preset: -> cells of the table."""
    starts = ", ".join(f"`{part}`" for part in row.parts) or "nothing"
    return [f"`{row.preset}`", starts, str(row.epochs), *(format_estimate(found.figures[name]) for name in FIGURES)]


def shrink(dataset: Dataset, folder: Path) -> Dataset:
    """Write faces as small as they are seen, so that no fold opens large ones: -> the data set of these files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{Path(image.name).stem}.png" for image in dataset.images]
    for image, file in zip(dataset.images, files, strict=True):
        if not file.exists():
            Image.fromarray(Cropping("square").load(image, SIDE).permute(1, 2, 0).numpy()).save(file)
    small = [replace(image, picture=File(file)) for image, file in zip(dataset.images, files, strict=True)]
    return replace(dataset, images=tuple(small))


def write_captions(ratings: Path, outdir: Path) -> Path:
    """Describe faces by fifths of other ratings: -> a CSV of image and caption, and the vocabulary beside it."""
    with ratings.open() as file:
        rows = list(csv.DictReader(file))
    columns = {name: np.array([float(row[name]) for row in rows]) for name in DESCRIBED}
    fifths: dict[str, Floats] = {
        name: np.searchsorted(np.quantile(values, [0.2, 0.4, 0.6, 0.8]), values) for name, values in columns.items()
    }
    with (outdir / "captions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "caption"])
        for i, row in enumerate(rows):
            words = [f"{name.replace('-', ' ')} {AMOUNTS[int(fifths[name][i])]}." for name in DESCRIBED]
            table.writerow([row["stimulus"], " ".join(words)])
    letters = sorted({word for name in DESCRIBED for word in name.split("-")} | set(AMOUNTS))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *letters]
    (outdir / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    BERT["vocab_size"] = len(vocabulary)
    return outdir / "captions.csv"


def write_table(docs: Path, rows: list[list[str]]) -> None:
    """Put the table between the marks of the page."""
    header = ["preset", "starts from", "epochs", *FIGURES]
    before, rest = docs.read_text().split(BEGIN)
    after = rest.split(END)[1]
    docs.write_text(f"{before}{BEGIN}\n{format_markdown(header, rows)}{END}{after}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--target", default="memorable")
    parser.add_argument("--presets", nargs="+", default=[])
    parser.add_argument(
        "--backbones", nargs="+", default=[], help="train only these, for --presets that need no others"
    )
    parser.add_argument("--backbone-steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--outdir", type=Path, default=Path("runs/predictors"))
    parser.add_argument("--docs", type=Path, default=Path("docs/predictors.md"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
