"""What docs/explanation.md says of features and neighbours on OMI: `python tests/bench/features_on_omi.py`.

Reads ../shared/data; scores are people's mean ratings, not a predictor's.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from explanation import DOCS, fill
from tqdm import tqdm

from latentedit.evaluation.tables import format_estimate, format_markdown
from latentedit.explanation.correlations import correlate_features, draw_correlations
from latentedit.explanation.embeddings import load_embedding
from latentedit.explanation.image_features import measure_image
from latentedit.explanation.neighbours import correlate, find_standing
from latentedit.photographs import load_square, to_images

RESOLUTION, BATCH = 256, 8


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--docs", type=Path, default=DOCS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with (args.data / "omi" / "attribute_means.csv").open() as file:
        rows = list(csv.DictReader(file))
    paths = [args.data / "omi" / "images" / f"{row['stimulus'].removesuffix('.jpg')}.jpg" for row in rows]
    ratings = {name: np.array([float(row[name]) for row in rows]) for name in ("memorable", "typical")}
    path = args.docs / "explanation.md"
    path.write_text(fill(path.read_text(), "standing", compare_standing(paths, ratings)))
    path.write_text(fill(path.read_text(), "features", compare_features(paths, ratings, args.docs / "features.png")))


def compare_standing(paths: list[Path], ratings: dict[str, np.ndarray]) -> str:
    """Correlate how alone each face stands with its ratings, in two embeddings."""
    rows = []
    for name in ("looks", "patches"):
        embedding = load_embedding(name)
        batches = (paths[start : start + BATCH] for start in tqdm(range(0, len(paths), BATCH), desc=name))
        found = [embedding(torch.stack([_load(path) for path in batch])) for batch in batches]
        measures = find_standing(torch.nn.functional.normalize(torch.cat(found), dim=1)).measures()
        estimates = correlate(measures, ratings)
        rows += [[name, measure, *map(format_estimate, estimates[measure])] for measure in measures]
    return format_markdown(["embedding", "measure", *ratings], rows)


def compare_features(paths: list[Path], ratings: dict[str, np.ndarray], picture: Path) -> str:
    """Correlate features with memorability, and where typicality is held, and draw them."""
    found = [measure_image(_load(path)) for path in tqdm(paths, desc="features")]
    features = {name: np.array([row[name] for row in found]) for name in found[0]}
    memorable = {"memorable": ratings["memorable"]}
    correlations = correlate_features(features, memorable, [ratings["typical"]])
    draw_correlations(correlations).savefig(picture)
    rows = [
        [one.feature, format_estimate(one.rho), f"{one.p_holm:.2g}", f"{one.p_bh:.2g}", format_estimate(one.partial)]
        for one in sorted(correlations, key=lambda one: one.p)
    ]
    return format_markdown(["feature", "Spearman", "p, Holm", "p, BH", "typicality held"], rows)


def _load(path: Path) -> torch.Tensor:
    return to_images(load_square(path, RESOLUTION))


if __name__ == "__main__":
    main()
