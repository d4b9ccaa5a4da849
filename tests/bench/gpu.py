"""Build the CUDA operators, hold them and whole networks against the references, and time them: one command.

    python tests/bench/gpu.py [--json FILE] [--only SECTION ...] [--device cpu]

Every section runs in a process of its own, so that one that crashes the GPU's context costs no other.
`--device cpu` runs all of it in tiny sizes, to see that it runs. Exits with 0 if every check passes,
with 1 if one fails or a section does, with 2 where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import gpu_checks
import gpu_times
from gpu_measure import Bench, format_fact

from stylegan_ops import build

ROOT = Path(__file__).parents[2]
SECONDS = 450  # for everything; a section that would go on longer is cut short
CACHED = "import time, stylegan_ops.build as build; t = time.perf_counter(); build.compile_cuda_ops(); "
CACHED += "print(time.perf_counter() - t)"


def report_machine(bench: Bench) -> None:
    bench.row("machine", "versions", **bench.machine())


def time_build(bench: Bench) -> None:
    """Compile the operators, then load them compiled: seconds. Later sections find them in the same folder."""
    start = time.perf_counter()
    build.compile_cuda_ops()
    bench.row("build", "cold", seconds=time.perf_counter() - start)
    done = subprocess.run([sys.executable, "-c", CACHED], cwd=ROOT, capture_output=True, text=True, check=True)
    bench.row("build", "cached", seconds=float(done.stdout.split()[-1]))


SECTIONS: dict[str, Callable[[Bench], None]] = {
    "machine": report_machine,
    "build": time_build,
    "operators": gpu_checks.check_operators,
    "large": gpu_checks.check_large,
    "networks": gpu_checks.check_networks,
    "copies": gpu_times.time_copies,
    "times": gpu_times.time_operators,
    "convolutions": gpu_times.time_convolutions,
    "synthesis": gpu_times.time_synthesis,
    "sweeps": gpu_times.time_sweeps,
    "training": gpu_times.time_training,
}
NEED_NVCC = ("build", "operators", "large", "times")


def run_section(name: str, bench: Bench) -> None:
    """Run one section to its end, or leave a row that says why not."""
    if bench.device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
    try:
        SECTIONS[name](bench)
    except Exception as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        bench.row(name, "failed", error=f"{type(error).__name__}: {lines[0]}"[:300], ok=False)


def run_all(names: Sequence[str], device: str, out: Path, seconds: float = SECONDS) -> None:
    """Run the sections one after another, each in a process of its own and with what is left of the time."""
    deadline = time.monotonic() + seconds
    for name in names:
        print(f"--- {name}", flush=True)
        command = [sys.executable, __file__, "--section", name, "--device", device, "--json", str(out)]
        left = deadline - time.monotonic()
        try:
            code = subprocess.run(command, timeout=max(left, 1)).returncode
            reason = f"exit code {code}" if code else None
        except subprocess.TimeoutExpired:
            reason = f"cut short: all {seconds:g} seconds are over"
        if reason:
            bench_of(device, out).row(name, "failed", error=reason, ok=False)


def bench_of(device: str, out: Path) -> Bench:
    return Bench(torch.device(device), device == "cpu", out)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Lay out every time, and of the checks those that failed and the largest error of each section."""
    lines = []
    for section in dict.fromkeys(row["section"] for row in rows):
        ours = [row for row in rows if row["section"] == section]
        checks = [row for row in ours if "allowed" in row]
        if checks:
            worst = max(checks, key=lambda row: row["error"] / max(row["allowed"], 1e-30))
            passed = sum(row["ok"] for row in checks)
            lines.append(
                f"{section}: {passed} of {len(checks)} checks pass; the nearest to its bound is {worst['name']}"
            )
        for row in ours:
            if row not in checks or not row["ok"]:
                facts = [f"{key} {format_fact(value)}" for key, value in row.items() if key not in ("section", "name")]
                lines.append(f"{section:13}{row['name']:75}{'  '.join(facts)}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=Path("gpu-bench.jsonl"), help="takes a line a row")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="these sections")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not torch.cuda.is_available():
        print("no GPU: nothing to check, nothing to time (--device cpu only shows that this script runs)")
        return 2
    if args.section:
        run_section(args.section, bench_of(args.device, args.json))
        return 0
    args.json.write_text("")
    names = args.only or [name for name in SECTIONS if args.device == "cuda" or name not in NEED_NVCC]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TORCH_EXTENSIONS_DIR"] = folder  # so that the build starts from nothing
        run_all(names, args.device, args.json)
    rows = [json.loads(line) for line in args.json.read_text().splitlines()]
    print(table(rows))
    return 0 if all(row.get("ok", True) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
