"""The GPU benchmark runs, in tiny sizes on the CPU: a typing mistake must not cost a GPU's time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gpu
import gpu_measure
import pytest
import torch

from stylegan_ops import build

ROWS = {"build": 2, "operators": 128, "large": 5, "networks": 18, "times": 24, "convolutions": 16, "training": 4}


@pytest.fixture
def bench(host_ops: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> gpu.Bench:
    """A CPU that has the kernels, compiled for it."""
    monkeypatch.setattr(build, "_ops", [host_ops])
    monkeypatch.setattr(build, "compile_cuda_ops", lambda: host_ops)
    monkeypatch.setattr(gpu, "CACHED", "print(0.5)")
    return gpu.bench_of("cpu", tmp_path / "rows.jsonl")


@pytest.mark.parametrize("section", gpu.SECTIONS)
def test_every_section_runs_and_passes(bench: gpu.Bench, section: str) -> None:
    gpu.run_section(section, bench)
    rows = [json.loads(line) for line in bench.out.read_text().splitlines()]
    assert len(rows) >= ROWS.get(section, 1)
    assert all(row.get("ok", True) for row in rows), [row for row in rows if not row.get("ok", True)]
    assert all(isinstance(row["name"], str) for row in rows)
    assert gpu.table(rows)


def test_a_wrong_kernel_fails_its_checks(bench: gpu.Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (host_ops,) = build._ops

    class Wrong:
        def __getattr__(self, name: str) -> Any:
            if name != "upfirdn2d":
                return getattr(host_ops, name)
            return lambda *arguments: host_ops.upfirdn2d(*arguments) * 1.5

    monkeypatch.setattr(build, "_ops", [Wrong()])
    gpu.run_section("operators", bench)
    rows = [json.loads(line) for line in bench.out.read_text().splitlines()]
    failed = {row["name"].split()[0] for row in rows if not row["ok"]}
    assert failed == {"upfirdn2d"}
    assert "FAILED" not in gpu.table(rows)
    assert sum("upfirdn2d" in line for line in gpu.table(rows).splitlines()) > 10


def test_nan_is_no_pass(bench: gpu.Bench) -> None:
    bench.check("section", "name", float("nan"), 1.0)
    assert not json.loads(bench.out.read_text())["ok"]


def test_a_section_that_fails_says_why(bench: gpu.Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: gpu.Bench) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore")

    monkeypatch.setitem(gpu.SECTIONS, "copies", fail)
    gpu.run_section("copies", bench)
    (row,) = [json.loads(line) for line in bench.out.read_text().splitlines()]
    assert row["error"] == "RuntimeError: CUDA error: an illegal memory access was encountered"
    assert not row["ok"]


def test_the_command_goes_on_after_a_crash(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Sections run in processes of their own; the exit code says that one failed, the table which."""
    out = tmp_path / "rows.jsonl"
    assert gpu.main(["--device", "cpu", "--only", "large", "machine", "--json", str(out)]) == 1
    printed = capfd.readouterr().out
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["section"], row.get("ok", True)) for row in rows] == [("large", False), ("machine", True)]
    assert "did not build" in rows[0]["error"]
    assert "torch 2" in printed


def test_a_section_is_cut_short_when_time_is_over(tmp_path: Path) -> None:
    gpu.run_all(["copies"], "cpu", tmp_path / "rows.jsonl", seconds=0)
    (row,) = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert "cut short" in row["error"]
    assert not row["ok"]


def test_no_gpu_is_no_failure_of_a_check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert "no GPU" in capsys.readouterr().out


def test_spread_and_relative_error() -> None:
    assert gpu_measure.spread([4.0, 2.0, 8.0], per=2) == {"median": 2.0, "low": 1.0, "high": 4.0}
    assert gpu_measure.relative_error(torch.tensor([3.0, 4.5]), torch.tensor([3.0, 4.0])) == pytest.approx(0.1)
    assert gpu_measure.relative_error(torch.tensor([torch.nan]), torch.ones(1)) != 0
