"""Cross-validate every preset on rated faces, small enough for a CPU, and write the table of docs/predictors.md.

    python tests/bench/predictors.py --data ../shared/data/omi --out predictors.json

Presets that read descriptions need captions, which no public set of rated faces has: they are left out and said so.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from latentedit.agreement import cross_validate
from latentedit.agreement.prediction import rescale
from latentedit.datasets import Dataset, deal_splits, inspect_dataset, read_dataset, require_sound
from latentedit.datasets.crops import Cropping
from latentedit.evaluation.tables import format_estimate
from latentedit.predictors.presets import PRESETS, load_preset
from latentedit.statistics import Floats
from latentedit.training.examples import Examples
from latentedit.training.fitting import prepare
from latentedit.training.predictor import train_predictor
from latentedit.training.regimen import Regimen

SHOWN = ("Spearman", "R2", "MAE", "ROC-AUC")


def main() -> None:
    args = parse_arguments()
    inspection = inspect_dataset(read_dataset(args.data, target=args.target))
    require_sound(inspection)
    facts = {"flags": {key: str(value) for key, value in vars(args).items()}, "rows": {}}
    for name in args.presets:
        if PRESETS[name].settings.get("mode") in ("both", "text"):
            print(f"| `{name}` | needs descriptions: not run |", flush=True)
            continue
        start = time.monotonic()
        found = measure(name, inspection.dataset, inspection.digests, args)
        cells = [format_estimate(found[figure], 2) for figure in SHOWN]
        print(f"| `{name}` | {' | '.join(cells)} | {time.monotonic() - start:.0f} s |", flush=True)
        facts["rows"][name] = {figure: vars(estimate) for figure, estimate in found.items()}
        args.out.write_text(json.dumps(facts, indent=2) + "\n")


def measure(name: str, dataset: Dataset, digests: tuple[str, ...], args: argparse.Namespace) -> dict[str, Any]:
    """Cross-validate one preset at the size asked for."""
    preset = replace(load_preset(name), epochs=args.epochs, batch=args.batch, learning_rate=args.lr)
    settings = {"width": args.width, **({} if name == "face_only" else {"input_size": args.input_size})}

    def fit(train: Any, test: Any, seed: int) -> Floats:
        parts = np.array(["test"] * len(dataset.images), dtype=object)
        parts[train] = ["val" if part == "val" else "train" for part in deal_splits([digests[i] for i in train], seed)]
        dealt = dataset.assign(list(parts))
        training = prepare(Regimen(preset, "cosine", args.precision, seed), dealt, settings, Cropping("square"))
        train_predictor(training)
        left_out = replace(dataset, images=tuple(dataset.images[i] for i in test))
        said = training.predict(Examples(left_out, training.train.cropping))
        return rescale(said.double().numpy(), (0.0, 1.0), dataset.range)

    return cross_validate(fit, dataset.scores, digests, args.folds, args.repeats).figures


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/omi"))
    parser.add_argument("--target", default=None)
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--input-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("predictors.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
