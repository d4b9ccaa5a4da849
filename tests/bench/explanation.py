"""Compare the methods of attribution on `omi`, and write docs/explanation.md: python tests/bench/explanation.py"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor

import latentedit as le
from latentedit.evaluation.tables import format_estimate, format_markdown
from latentedit.explanation import METHODS, Attribution, Explained, pixels
from latentedit.explanation.baselines import make_baseline
from latentedit.explanation.checks import compare_maps, measure_faithfulness, shuffle_weights

SEEDS, TRUNCATION_PSI = range(6_000_000, 6_000_064), 0.7
NUM_SHUFFLED = 4  # faces whose maps are compared with those of shuffled weights
DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=len(SEEDS))
    parser.add_argument("--scorers", nargs="+", default=["omi", "patches"])
    parser.add_argument("--docs", type=Path, default=DOCS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    generator = le.load_generator()
    faces = le.render(generator, le.sample(generator, SEEDS[: args.faces], TRUNCATION_PSI))
    path = args.docs / "explanation.md"
    for name in args.scorers:
        table = compare(name, faces)
        path.write_text(fill(path.read_text(), name, table))
    draw(le.load_scorer(args.scorers[0]), faces[:4]).save(args.docs / "explanation.png")


def compare(name: str, faces: Tensor) -> str:
    """Compare every method on one scorer: -> a table in markdown."""
    explained = Explained(le.load_scorer(name))
    baselines = make_baseline("blurred", faces)
    found = {method: _time(explained, faces, method) for method in METHODS}
    maps = {method: attribution.maps for method, (attribution, _) in found.items()}
    faithful = measure_faithfulness(explained, faces, baselines, maps)
    others = attribute_shuffled(explained, faces[:NUM_SHUFFLED])
    rows = []
    for method, (attribution, seconds) in found.items():
        verdict = faithful[method]
        rows.append(
            [
                f"`{method}`",
                format_estimate(verdict.deletion),
                format_estimate(verdict.insertion),
                "yes" if verdict.beats_random else "**no**",
                f"{compare_maps(maps[method][:NUM_SHUFFLED], others[method]):+.2f}",
                _say_errors(attribution),
                METHODS[method].passes,
                f"{seconds * 1e3:.0f} ms",
            ]
        )
        print(name, *rows[-1], sep=" | ", flush=True)
    header = [name, "deletion", "insertion", "beats random", "shuffled", "error", "passes an image", "processor time"]
    return format_markdown(header, rows)


def attribute_shuffled(explained: Explained, faces: Tensor) -> dict[str, Tensor]:
    """Take every method's maps of the same network with shuffled weights; these need not add up."""
    shuffled = shuffle_weights(explained)
    with patch.object(pixels, "MOST_HALVINGS", 0):
        return {method: le.attribute(shuffled, faces, method).maps for method in METHODS}


def _time(explained: Explained, faces: Tensor, method: str) -> tuple[Attribution, float]:
    start = time.process_time()
    found = le.attribute(explained, faces, method)
    return found, (time.process_time() - start) / len(faces)


def _say_errors(attribution: Attribution) -> str:
    errors = attribution.completeness
    return "-" if errors is None else f"{float(errors.median()):.2%}, {float(errors.max()):.2%}"


def draw(scorer: le.Scorer, faces: Tensor) -> object:
    """Draw faces and their maps, a method a column."""
    columns = list(_list_columns(scorer, faces))
    return le.image_grid(torch.stack(columns, dim=1), column_labels=["face", *(m.replace("_", " ") for m in METHODS)])


def _list_columns(scorer: le.Scorer, faces: Tensor) -> Iterator[Tensor]:
    yield torch.nn.functional.interpolate(faces, (256, 256), mode="bilinear")
    for method in METHODS:
        yield le.overlay(faces, le.attribute(scorer, faces, method).maps)


def fill(text: str, name: str, content: str) -> str:
    """Put content between the marks of a name."""
    return re.sub(
        rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda found: found[1] + content + found[2], text, flags=re.S
    )


if __name__ == "__main__":
    main()
