"""Hold the approximate search against the exact one, and write docs/explanation.md: python tests/bench/similarity.py

The rows are the w of that many faces of the bundled generator; fresh faces are looked for.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from explanation import DOCS, fill

import latentedit as le
from latentedit.evaluation.tables import format_markdown
from latentedit.explanation.index import Index

NUM_ROWS, NUM_QUERIES, NUM_FOUND = 100_000, 200, 10


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=NUM_ROWS)
    parser.add_argument("--docs", type=Path, default=DOCS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = sample_rows(args.rows + NUM_QUERIES)
    with tempfile.TemporaryDirectory() as folder:
        table = compare(rows[NUM_QUERIES:], rows[:NUM_QUERIES], Path(folder) / "graph")
    print(table)
    path = args.docs / "explanation.md"
    path.write_text(fill(path.read_text(), "graph", table))


@torch.no_grad()
def sample_rows(count: int) -> np.ndarray:
    """Take the w of faces, off their mean, at unit length: -> [count, w_dim]."""
    generator = le.load_generator()
    z = torch.randn(count, generator.config.z_dim, generator=torch.Generator().manual_seed(0))
    w = torch.cat([generator.mapping(part) for part in z.split(2**12)]) - generator.mapping.w_avg
    return torch.nn.functional.normalize(w, dim=1).numpy()


def compare(rows: np.ndarray, queries: np.ndarray, graph: Path) -> str:
    """Search both ways: -> a table in markdown."""
    index = Index([str(i) for i in range(len(rows))], [0.0] * len(rows), rows, graph)
    start = time.perf_counter()
    index.search(queries[0], NUM_FOUND, approximate=True, quiet=False)
    built = time.perf_counter() - start
    found, cells = {}, []
    for name in ("exact", "approximate"):
        times, found[name] = [], []
        for query in queries:
            start = time.perf_counter()
            found[name].append({one.path for one in index.search(query, NUM_FOUND, approximate=name == "approximate")})
            times.append(time.perf_counter() - start)
        recall = np.mean([len(a & b) / NUM_FOUND for a, b in zip(found["exact"], found[name], strict=True)])
        size = f"{graph.stat().st_size / 2**20:.0f} MiB, {built:.0f} s" if name == "approximate" else "-"
        cells.append([name, f"{recall:.3f}", f"{1e3 * statistics.median(times):.1f} ms", size])
    header = [f"{len(rows):,} faces' w", f"found of the {NUM_FOUND} nearest", "a search, median", "graph, making it"]
    return format_markdown(header, cells)


if __name__ == "__main__":
    main()
