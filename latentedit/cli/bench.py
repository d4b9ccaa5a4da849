"""`latentedit bench`: how fast this machine renders."""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from latentedit.cli import arguments, printing
from latentedit.errors import InputError, about
from latentedit.files import replacing
from latentedit.vocabulary import SCENES

EXAMPLES = """\
  latentedit bench --quick                              half a minute
  latentedit bench --only 256,256-sweep,startup
  latentedit bench --out bench.json                     all of it

Scenes: the bundled generator (faces), and random weights in the FFHQ configurations (256, 1024); one face, a batch of
eight, and a sweep of nine alphas on layers 8 and up. Work is counted as that of the convolutions, and `share` is its
rate over that of torch's own fp32 3 x 3 convolution, measured in the same rounds. Times are medians (quartiles).
All are timed twice, under the C library's stock allocator and under one tuned to keep its memory.
"""
PARTS = (*SCENES, "memory", "startup")
QUICK = ("faces", "256", "startup")
HEADER = ("scene, path", "ms", "(quartiles)", "images/s", "GFLOP/s", "share", "x reference")
REGIMES = {
    "stock": "stock allocator",
    "tuned": "tuned allocator: glibc keeps its memory (M_MMAP_MAX 0, M_TRIM_THRESHOLD 2 GiB)",
}


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "bench", run, "measure how fast this machine renders", EXAMPLES)
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}, in few rounds")
    parser.add_argument("--only", type=_parse_parts, metavar="LIST", help=f"some of {','.join(PARTS)} (default all)")
    parser.add_argument("--rounds", type=arguments.parse_count, metavar="N", help="at most (default 15, quick 5)")
    parser.add_argument(
        "--nvidia", type=Path, metavar="DIR", help="run a checkout of NVIDIA's stylegan3 beside; executes its code"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all that was measured as this .json")
    arguments.add_output(parser, outdir=None)


def _parse_parts(text: str) -> list[str]:
    """Read a list of scenes with commas."""
    parts = text.split(",")
    for part in parts:
        if part not in PARTS:
            raise argparse.ArgumentTypeError(f"{part!r} is not one of {', '.join(PARTS)}")
    return parts


def run(args: argparse.Namespace) -> None:
    """Measure, write and print."""
    from latentedit.benchmark import Settings, run_benchmark

    if args.rounds == 1:
        raise InputError("--rounds 1: a spread needs two rounds or more")
    if args.out is not None and not args.out.parent.is_dir():
        raise InputError(f"--out {args.out}: {args.out.parent} is no folder, make it first")
    parts = args.only or (QUICK if args.quick else PARTS)
    settings = Settings(
        scenes=tuple(scene for scene in SCENES if scene in parts),
        rounds=args.rounds or (5 if args.quick else 15),
        limit=5.0 if args.quick else 20.0,
        memory="memory" in parts,
        startup="startup" in parts,
        nvidia=args.nvidia,
        quiet=args.quiet,
    )
    facts = run_benchmark(settings)
    lines = [
        *_machine_lines(facts["machine"]),
        *_regime_lines(facts["regimes"]),
        *_memory_lines(facts["peak_bytes"]),
        *_startup_lines(facts["startup"]),
    ]
    if args.out is not None:
        with about(args.out), replacing(args.out) as temporary:
            temporary.write_text(json.dumps(facts, indent=2) + "\n")
        lines.append(f"written    {args.out}")
    printing.announce(args, facts, lines)


def _machine_lines(machine: dict[str, Any]) -> list[str]:
    """Write what the times depend on."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return [
        f"machine    {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB",
        f"system     {machine['system']}",
        f"torch      {machine['threads']} threads, {machine['capability']}, flags {' '.join(machine['flags'])}",
        f"versions   {versions}, Python {machine['python']}",
    ]


def _regime_lines(regimes: dict[str, list[dict[str, Any]] | None]) -> list[str]:
    """Lay out what was rendered, a table for each regime."""
    lines = []
    for regime, rows in regimes.items():
        if rows is None:
            lines += ["", f"{REGIMES[regime]}: not available, this system's C library is not glibc"]
        elif rows:
            rate = statistics.median(row["yardstick_gflops"] for row in rows)
            lines += ["", f"{REGIMES[regime]}; torch's fp32 3 x 3 convolution: {rate:.0f} GFLOP/s"]
            lines += printing.table(HEADER, [_cells(row) for row in rows])
    return lines


def _cells(row: dict[str, Any]) -> list[str]:
    """Write one path of a scene as the cells of a table."""
    return [
        f"{row['scene']}, {row['path']}",
        *_times(row["seconds"]),
        f"{row['images_per_second']:.3g}",
        f"{row['gflops']:.0f}",
        f"{row['share']:.0%}",
        f"{row['speedup']:.2f}",
    ]


def _memory_lines(peaks: dict[str, dict[str, int | None]] | None) -> list[str]:
    """Lay out the peaks of memory."""
    if peaks is None:
        return []
    rows = [
        [f"{scene}, {path}", "unknown" if peak is None else f"{peak / 2**20:.0f}"]
        for scene, paths in peaks.items()
        for path, peak in paths.items()
    ]
    return ["", *printing.table(["peak memory beside the weights", "MiB"], rows)]


def _startup_lines(startup: dict[str, dict[str, float]] | None) -> list[str]:
    """Lay out the times of whole commands."""
    if startup is None:
        return []
    rows = [[command, *_times(seconds)] for command, seconds in startup.items()]
    return ["", *printing.table(["start-up", "ms", "(quartiles)"], rows)]


def _times(seconds: dict[str, float]) -> list[str]:
    """Write a spread in milliseconds."""
    return [f"{seconds['median'] * 1e3:.1f}", f"({seconds['q1'] * 1e3:.1f} - {seconds['q3'] * 1e3:.1f})"]
