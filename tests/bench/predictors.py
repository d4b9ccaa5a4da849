"""Cross-validate every preset on rated faces, small enough for a CPU, and write the table of docs/predictors.md.

    python tests/bench/predictors.py --data ../shared/data

Every fold's predictions are kept in --outdir, so that a run goes on where it was stopped. Descriptions are written
from the mean ratings of other attributes of the same faces: no model that describes pictures is at hand.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from small_backbones import CLIP, SIDE, SMALL, STEPS, prepare_backbones

from latentedit.agreement import judge
from latentedit.agreement.prediction import rescale
from latentedit.datasets import Dataset, deal_folds, deal_splits, inspect_dataset, read_dataset, require_sound
from latentedit.datasets.crops import Cropping
from latentedit.evaluation.tables import format_estimate, format_markdown
from latentedit.files import replacing
from latentedit.predictors.presets import load_preset
from latentedit.statistics import Floats
from latentedit.training.examples import Examples
from latentedit.training.fitting import prepare, read_words
from latentedit.training.predictor import train_predictor
from latentedit.training.regimen import Regimen

NUM_FOLDS, SPLIT_SEED = 5, 0
BATCH = 32
BEGIN, END = "<!-- predictors -->", "<!-- /predictors -->"
DESCRIBED = ("age", "gender", "happy", "weight", "long-haired", "hair-color", "skin-color", "outdoors")
STEPS = ("least", "little", "middling", "much", "most")
BERT = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}


@dataclass(frozen=True)
class Row:
    """A preset at a small size: what differs from it, the parts that start from faces, and how many folds of five."""

    preset: str
    parts: tuple[str, ...] = ()
    epochs: int = 6
    learning_rate: float = 1e-4  # the presets' own
    settings: dict[str, Any] = field(default_factory=lambda: SMALL)
    folds: int = NUM_FOLDS


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
    Row("text_only", (), 20, 1e-3, TEXT),
    Row("face_text", ("senet50",), 12, 1e-3, SMALL | TEXT),
)


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    inspection = inspect_dataset(read_dataset(args.data / "omi", target=args.target))
    require_sound(inspection)
    files = prepare_backbones(args.outdir / "backbones", [], args.backbone_steps)
    captions = write_captions(args.data / "omi" / "attribute_means.csv", args.outdir)
    state = args.outdir / "folds.json"
    found = json.loads(state.read_text()) if state.exists() else {}
    folds = deal_folds(inspection.digests, NUM_FOLDS, 1, SPLIT_SEED)[0]
    for row in [row for row in ROWS if not args.presets or row.preset in args.presets]:
        for fold in [fold for fold in args.folds if fold < row.folds]:
            key = f"{args.target}/{row.preset}/{fold}"
            if key not in found:
                found[key] = run_fold(row, fold, folds, inspection.dataset, inspection.digests, files, captions)
                with replacing(state) as temporary:
                    temporary.write_text(json.dumps(found))
                cells = describe(row, found, folds, inspection.dataset)
                print(f"{key}: {found[key]['seconds']:.0f} s, {cells}", flush=True)
    if not args.presets:
        write_table(args.docs, [describe(row, found, folds, inspection.dataset) for row in ROWS])


def run_fold(
    row: Row, fold: int, folds: Any, dataset: Dataset, digests: tuple[str, ...], files: dict[str, Path], captions: Path
) -> dict[str, Any]:
    """Train on all folds but one, a fifth of their faces for validation, and predict that one."""
    start = time.process_time()
    preset = load_preset(row.preset)
    settings = {**preset.settings, **row.settings}
    preset = replace(preset, epochs=row.epochs, batch=BATCH, learning_rate=row.learning_rate, settings=settings)
    train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    parts = np.array(["test"] * len(dataset.images), dtype=object)
    parts[train] = ["train" if part == "train" else "val" for part in deal_splits([digests[i] for i in train], fold)]

    def words(part: Dataset, network: Any) -> tuple[Any, ...]:
        return read_words(part, network, captions, str(captions.parent)) if "text" in settings else ()

    starts = {name: files[name] for name in row.parts}
    regimen = Regimen(preset, "cosine", "fp32", fold)
    training = prepare(regimen, dataset.assign(list(parts)), Cropping("square"), words, starts, resolution=SIDE)
    train_predictor(training)
    left_out = replace(dataset, images=tuple(dataset.images[i] for i in test))
    examples = Examples(left_out, training.train.cropping, words(left_out, training.network), SIDE)
    said = rescale(training.predict(examples).double().numpy(), (0.0, 1.0), dataset.range)
    return {"rows": test.tolist(), "predictions": said.tolist(), "seconds": time.process_time() - start}


def describe(row: Row, found: dict[str, Any], folds: Any, dataset: Dataset) -> list[str]:
    """Judge what was predicted so far: -> cells of the table."""
    done = [found[key] for i in range(row.folds) if (key := f"{dataset.target}/{row.preset}/{i}") in found]
    rows = np.concatenate([fold["rows"] for fold in done]).astype(int)
    card = judge(row.preset, dataset.scores[rows], np.concatenate([fold["predictions"] for fold in done]))
    seen = f"{len(rows)} ({len(done)} of {NUM_FOLDS} folds)"
    figures = [format_estimate(card.figures[name]) for name in ("Spearman", "R2")]
    starts = ", ".join(f"`{part}`" for part in row.parts) or "nothing"
    return [f"`{row.preset}`", starts, str(row.epochs), seen, *figures]


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
            words = [f"{name.replace('-', ' ')} {STEPS[int(fifths[name][i])]}." for name in DESCRIBED]
            table.writerow([row["stimulus"], " ".join(words)])
    letters = sorted({word for name in DESCRIBED for word in name.split("-")} | set(STEPS))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *letters]
    (outdir / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    BERT["vocab_size"] = len(vocabulary)
    return outdir / "captions.csv"


def write_table(docs: Path, rows: list[list[str]]) -> None:
    """Put the table between the marks of the page."""
    header = ["preset", "starts from", "epochs", "faces judged", "Spearman", "R2"]
    before, rest = docs.read_text().split(BEGIN)
    after = rest.split(END)[1]
    docs.write_text(f"{before}{BEGIN}\n{format_markdown(header, rows)}{END}{after}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--target", default="memorable")
    parser.add_argument("--presets", nargs="+", default=[])
    parser.add_argument("--backbone-steps", type=int, default=STEPS)
    parser.add_argument("--folds", type=int, nargs="+", default=[*range(NUM_FOLDS)], help="train only these now")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--outdir", type=Path, default=Path("runs/predictors"))
    parser.add_argument("--docs", type=Path, default=Path("docs/predictors.md"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
