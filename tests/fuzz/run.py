"""Fuzz every reader, guided by coverage: `python tests/fuzz/run.py --inputs 1000000 --seconds 3600 --readers all`.

Needs the extra `fuzz` (atheris). Each reader runs in a process of its own, with little memory and a watchdog; what
it must not do becomes a finding, made smaller and kept with its stack in --outdir, and the process goes on. A process
that hangs or dies is replaced. Ends with a line of figures for each reader, and 1 if there were findings.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from mutation import flip_bytes, mutate

if TYPE_CHECKING:
    from judge import Finding

HANG = 20  # seconds of CPU time on one input: the process is replaced
BETWEEN = 100  # inputs from one writing of the figures to the next


class Fuzzer:
    """One reader's inputs, findings and figures."""

    def __init__(self, reader: str, folder: Path) -> None:
        from judge import Judge  # not above: what is imported before is not instrumented
        from readers import READERS

        self.read, self.kinds = READERS[reader]
        self.folder, self.judge = folder, Judge()
        self.inputs, self.slowest, self.start = 0, 0.0, time.process_time()

    def warm_up(self, seeds: dict[str, Path]) -> None:
        """Read every seed once, so that what is imported late is imported, then limit the memory."""
        import PIL.Image
        from judge import limit_memory

        PIL.Image.init()
        for kind in self.kinds:
            for seed in sorted(seeds[kind].iterdir()):
                try:
                    self.read(self._put(seed.read_bytes()))
                except ValueError:  # another reader's seed
                    continue
        limit_memory()

    def test(self, data: bytes) -> None:
        """Judge one input."""
        start, self.inputs = time.process_time(), self.inputs + 1
        path = self._put(data)
        signal.setitimer(signal.ITIMER_VIRTUAL, HANG)
        found = self.judge(self.read, path)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if found:
            keep(found, data if is_kept(found, self.folder) else self._shrink(data, found), self.folder)
        if (seconds := time.process_time() - start) > self.slowest and not found:
            self.slowest = seconds
            (self.folder / "slowest").write_bytes(data)
        if self.inputs % BETWEEN == 0:
            self.write_figures()

    def open_stacks(self) -> None:
        """Open the file that a hang or a crash of this process writes its stack to."""
        self.stacks = (self.folder / "stack").open("w")
        faulthandler.enable(self.stacks)
        faulthandler.register(signal.SIGVTALRM, self.stacks, chain=True)  # and then the signal ends the process

    def write_figures(self) -> None:
        """Write down how far this process has come."""
        peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
        cpu = time.process_time() - self.start
        figures = {"inputs": self.inputs, "slowest": self.slowest, "peak": peak, "cpu": cpu}
        (self.folder / "figures.json").write_text(json.dumps(figures))

    def _put(self, data: bytes) -> Path:
        """Write the input under the suffix that its content has elsewhere."""
        suffix = ".safetensors" if data[8:9] == b"{" else ".pkl"
        path = self.folder / f"input{suffix}"
        path.write_bytes(data)
        return path

    def _shrink(self, data: bytes, found: Finding, tries: int = 200) -> bytes:
        """Leave out halves, quarters, ... of the input as long as it fails in the same place."""
        size = len(data) // 2
        while size and tries and found.kind != "time":
            start = 0
            while start < len(data) and tries:
                tries -= 1
                shorter = data[:start] + data[start + size :]
                again = self.judge(self.read, self._put(shorter))
                if again and again.identity == found.identity:
                    data = shorter
                else:
                    start += size
            size //= 2
        return data


def is_kept(found: Finding, folder: Path) -> bool:
    """Tell whether there is an input of this finding."""
    return (folder / "findings" / f"{found.kind}-{found.identity}").exists()


def keep(found: Finding, data: bytes, folder: Path) -> None:
    """Keep the shortest input of each finding, with its stack."""
    path = folder / "findings" / f"{found.kind}-{found.identity}"
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.stat().st_size > len(data):
        path.write_bytes(data)
        path.with_suffix(".txt").write_text(f"{found.kind}: {found.detail}\n{found.stack}\n")


def work(reader: str, folder: Path, inputs: int, seconds: float, seed: int) -> None:
    """Fuzz one reader in this process, which ends with it."""
    import atheris
    import torch._weights_only_unpickler as torchs

    torchs.Unpickler.load = atheris.instrument_func(torchs.Unpickler.load)
    with atheris.instrument_imports(include=["latentedit"]):  # nothing that those libraries brought along
        fuzzer = Fuzzer(reader, folder)
    from seeds import write_seeds

    seeds = write_seeds(folder / "seeds")
    fuzzer.warm_up(seeds)
    fuzzer.open_stacks()

    def change(data: bytes, most: int, seed: int) -> bytes:
        return mutate(data, Random(seed), flip)[:most]

    def flip(data: bytes, random: Random) -> bytes:
        if random.random() < 0.5:
            return flip_bytes(data, random)
        return bytes(atheris.Mutate(data, len(data) + 64))

    limits = [f"-runs={inputs}", f"-max_total_time={max(1, round(seconds))}", f"-seed={seed}", "-max_len=1000000"]
    harmless = [
        "-len_control=0",
        "-mutate_depth=1",
        f"-artifact_prefix={folder}/",
        "-rss_limit_mb=0",
        "-timeout=86400",
        "-detect_leaks=0",
        "-verbosity=1",
    ]
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    folders = [str(corpus), *(str(seeds[kind]) for kind in fuzzer.kinds)]
    atheris.Setup(["fuzz", *limits, *harmless, *folders], fuzzer.test, custom_mutator=change)
    atheris.Fuzz()


def supervise(reader: str, folder: Path, inputs: int, seconds: float) -> dict[str, Any]:
    """Fuzz one reader in processes of their own until all inputs are judged: -> its figures."""
    folder.mkdir(parents=True, exist_ok=True)
    total: dict[str, Any] = {
        "reader": reader,
        "inputs": 0,
        "slowest": 0.0,
        "peak": 0,
        "cpu": 0.0,
        "edges": 0,
        "ends": 0,
    }
    start = time.monotonic()
    while total["inputs"] < inputs and (left := seconds - (time.monotonic() - start)) > 1:
        (folder / "figures.json").unlink(missing_ok=True)
        command = [sys.executable, __file__, "--work", reader, "--outdir", str(folder)]
        command += ["--inputs", str(inputs - total["inputs"]), "--seconds", str(left), "--seed", str(total["ends"])]
        with (folder / "log").open("ab") as log:
            ended = subprocess.run(command, stdout=log, stderr=log).returncode
        _add(total, folder)
        if ended:
            total["ends"] += 1
            _keep_death(ended, folder)
        elif total["inputs"] + BETWEEN > inputs:
            break
    total["seconds"] = time.monotonic() - start
    total["findings"] = len(list((folder / "findings").glob("*.txt")))
    return total


def _add(total: dict[str, Any], folder: Path) -> None:
    """Add what a process that has ended wrote down."""
    if (folder / "figures.json").exists():
        figures = json.loads((folder / "figures.json").read_text())
        total["inputs"], total["cpu"] = total["inputs"] + figures["inputs"], total["cpu"] + figures["cpu"]
        total["slowest"], total["peak"] = (max(total[key], figures[key]) for key in ("slowest", "peak"))
    covered = re.findall(rb"cov: (\d+)", (folder / "log").read_bytes())
    total["edges"] = max([total["edges"], *map(int, covered)])


def _keep_death(code: int, folder: Path) -> None:
    """Make a finding of the input that a process hung or died on."""
    from judge import Finding

    last = max(folder.glob("input.*"), key=lambda path: path.stat().st_mtime)
    stack = (folder / "stack").read_text() if (folder / "stack").exists() else ""
    kind = "hang" if code == -signal.SIGVTALRM else "death"
    keep(Finding(kind, f"exit status {code}", stack), last.read_bytes(), folder)


def say(total: dict[str, Any]) -> str:
    """Write a reader's figures on one line."""
    rate, peak = total["inputs"] / max(total["cpu"], 1e-9), total["peak"] / 2**20
    speed = f"{total['inputs']:>9,} inputs  {rate:>5,.0f}/s of CPU  slowest {total['slowest']:.2f} s"
    reached = f"peak {peak:,.0f} MiB  {total['edges']:>5} edges  {total['findings']} findings"
    return f"{total['reader']:11} {speed}  {reached}"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all readers together")
    parser.add_argument("--seconds", type=float, default=3600, help="for all readers together")
    parser.add_argument("--readers", default="all", help="all, or names with commas between")
    parser.add_argument("--outdir", type=Path, default=Path("/tmp/latentedit-fuzz"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Fuzz the readers one after the other."""
    args = parse()
    if args.work:
        work(args.work, args.outdir, args.inputs, args.seconds, args.seed + 1)
    from readers import READERS

    chosen = list(READERS) if args.readers == "all" else args.readers.split(",")
    totals: list[dict[str, Any]] = []
    start = time.monotonic()
    for waiting in range(len(chosen), 0, -1):  # what a quick reader leaves over goes to the later ones
        name = chosen[-waiting]
        inputs = (args.inputs - sum(total["inputs"] for total in totals)) // waiting
        totals += [supervise(name, args.outdir / name, inputs, (args.seconds - time.monotonic() + start) / waiting)]
        print(say(totals[-1]), flush=True)
    print(f"together    {sum(total['inputs'] for total in totals):>9,} inputs in {time.monotonic() - start:,.0f} s")
    return 1 if any(total["findings"] for total in totals) else 0


if __name__ == "__main__":
    sys.exit(main())
