"""Time a supervised method on many latents, with its peak of memory: python tests/bench/fitting.py --method logistic"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from latentedit.discovery import METHODS
from latentedit.discovery.examples import Examples
from latentedit.discovery.finding import EXTREMES, fit_held_out
from latentedit.discovery.labels import label_scores


def main() -> None:
    """Plant a direction, find it and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=METHODS, default="logistic")
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--copies", type=int, default=18, help="rows of ws, as in a generator of 1024 px (default 18)")
    args = parser.parse_args()
    random = np.random.default_rng(0)
    x = random.standard_normal((args.faces, args.width), dtype=np.float32)
    truth = random.standard_normal(args.width)
    scores = (x @ truth) / np.linalg.norm(truth) + 0.5 * random.standard_normal(args.faces)
    rule = EXTREMES.get(args.method, "mean")
    start = time.perf_counter()
    plane, figures = fit_held_out(
        Examples(x, scores, label_scores(scores, rule), args.copies), METHODS[args.method], rule
    )
    seconds = time.perf_counter() - start
    cosine = plane.normal @ truth / (np.linalg.norm(plane.normal) * np.linalg.norm(truth))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    right = figures["hold_out_accuracy"]
    print(
        f"{args.method}: {args.faces:,} x {args.width} in {seconds:.1f} s, peak {peak:.2f} GiB, "
        f"cosine with the truth {cosine:.4f}, right on {right:.1%} of those held out"
    )


if __name__ == "__main__":
    main()
