"""Time the opening of checkpoints of 120 MB against torch.load of the same tensors, and weigh its memory.

    python tests/bench/opening.py [--rounds 7] [--folder DIR]

Every figure is of a fresh process that has imported torch and nothing else. Two readings of our time:
`first` runs from before `from latentedit import load_generator`, all that it imports included, to the
generator fit for use, and keeps the limit; `call` is `load_generator(file)` alone. The other is
`torch.load(file, weights_only=True, mmap=False)` of the same weights as a plain state dict. Memory is
the growth of the peak resident size, the imports included. All files are in the page cache, and the
bytecode is compiled, as pip leaves it. One round opens each file once; the ratios are of the medians
over the rounds, with the quartiles behind them.
"""

from __future__ import annotations

import argparse
import compileall
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LIMITS = {"first": 1.5, "call": 1.5, "MB": 1.3}
HERE = Path(__file__).parent
OPEN = {  # what is imported, and the opening
    "latentedit": ("from latentedit import load_generator", "load_generator(sys.argv[1])"),
    "torch.load": ("", "torch.load(sys.argv[1], weights_only=True, mmap=False)"),
}
PROBE = """
import json, sys, time, torch
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1000
memory, start = peak(), time.perf_counter()
{imports}
imported = time.perf_counter()
x = {opening}
end = time.perf_counter()
print(json.dumps({{"first": end - start, "call": end - imported, "MB": peak() - memory}}))
"""
FORMATS = {  # file: the state dict of the same weights
    "nvidia.pkl": "stylegan2.state",
    "nvidia-stylegan3.pkl": "stylegan3.state",
    "nvidia-tensorflow.pkl": "stylegan2.state",
    "nvidia.safetensors": "stylegan2.state",
    "nvidia.pt": "stylegan2.state",
    "rosinality.pt": "stylegan2.state",
    "latentedit.safetensors": "stylegan2.state",
    "latentedit-stylegan3.safetensors": "stylegan3.state",
}


def write_files(folder: Path) -> None:
    """Write two generators of random weights in every format."""
    sys.path.insert(0, str(HERE.parent / "checkpoints"))
    import torch
    from nvidia_pickle import persist, write_pickle
    from tensorflow_pickle import write_tensorflow

    from latentedit.checkpoints import Checkpoint, convert
    from latentedit.networks import Generator, GeneratorConfig, StyleGAN3Config, band_channels, block_channels

    stylegan2 = Generator(GeneratorConfig(256, block_channels(256, 32768, 512))).requires_grad_(False)
    widths = band_channels(StyleGAN3Config(256, (1,) * 14), 32768, 528)
    stylegan3 = Generator(StyleGAN3Config(256, widths)).requires_grad_(False)
    torch.save(stylegan2.state_dict(), folder / "stylegan2.state")
    torch.save(stylegan3.state_dict(), folder / "stylegan3.state")
    write_pickle(folder / "nvidia.pkl", {"G_ema": persist(stylegan2, {})})
    write_pickle(folder / "nvidia-stylegan3.pkl", {"G_ema": persist(stylegan3, {})})
    write_tensorflow(folder / "nvidia-tensorflow.pkl", stylegan2)
    for name, target in {
        "nvidia.safetensors": "nvidia-safetensors",
        "nvidia.pt": "nvidia-pt",
        "rosinality.pt": "rosinality-pt",
        "latentedit.safetensors": "latentedit",
    }.items():
        convert(Checkpoint(stylegan2, "bench"), folder / name, target)
    convert(Checkpoint(stylegan3, "bench"), folder / "latentedit-stylegan3.safetensors", "latentedit")


def measure(opener: str, path: Path) -> dict[str, float]:
    """Open a file in a fresh process: -> seconds, two readings, and MB."""
    imports, opening = OPEN[opener]
    command = [sys.executable, "-c", PROBE.format(imports=imports, opening=opening), path]
    return dict(json.loads(subprocess.run(command, capture_output=True, check=True, cwd=HERE.parents[1]).stdout))


def report(name: str, runs: list[dict[str, float]], reference: list[dict[str, float]]) -> bool:
    """Print a format's row; tell whether it keeps the limits."""
    cells, ratios = [f"{name:34}"], []
    for unit, limit in LIMITS.items():
        ours, theirs = ([run[unit] for run in some] for some in (runs, reference))
        low, middle, high = statistics.quantiles(ours, n=4)
        ratios.append(middle / statistics.median(theirs) / limit)
        cells.append(f"{unit} {middle:7.3f} ({low:.3f} to {high:.3f}), {ratios[-1] * limit:.2f} x")
    print(*cells, "" if max(ratios) <= 1 else "  too much", sep="  ")
    return max(ratios) <= 1


def main() -> int:
    """Measure all formats, interleaved."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where the files are, or are written if there are none")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        if not (folder / "stylegan2.state").exists():
            write_files(folder)
        if not args.rounds:
            return 0
        files = dict.fromkeys([*FORMATS.values(), *FORMATS])
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in files}
        for package in ("latentedit", "stylegan_ops"):
            compileall.compile_dir(HERE.parents[1] / package, quiet=1)
        for name in files:
            (folder / name).read_bytes()  # fills the page cache
        for _ in range(args.rounds):
            for name in files:
                opener = "torch.load" if name.endswith(".state") else "latentedit"
                runs[name].append(measure(opener, folder / name))
    for name in dict.fromkeys(FORMATS.values()):
        report(f"torch.load {name}", runs[name], runs[name])
    kept = [report(name, runs[name], runs[base]) for name, base in FORMATS.items()]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
