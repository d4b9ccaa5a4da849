import json
from pathlib import Path

import pytest

from latentedit import benchmark
from latentedit.vocabulary import SCENES

ROOT = Path(__file__).parents[2]
SPREAD = {"median": 0.1, "q1": 0.05, "q3": 0.2, "rounds": 5}
ROW = {
    "scene": "256-sweep",
    "path": "reference",
    "images": 9,
    "seconds": SPREAD,
    "images_per_second": 90.0,
    "gflops": 234.0,
    "yardstick_gflops": 468.0,
    "share": 0.5,
    "speedup": 1.0,
}


@pytest.fixture
def measured(monkeypatch):
    """Take the measuring for granted; list the settings that it was asked for."""
    asked = []

    def run_benchmark(settings):
        asked.append(settings)
        machine = {"processor": "P", "flags": ["avx2"], "capability": "AVX2", "cores": 2, "threads": 2, "system": "S"}
        return {
            "machine": {**machine, "memory_gib": 8, "python": "3.11", "versions": {"torch": "2.13"}},
            "regimes": {"stock": [ROW], "tuned": None},
            "peak_bytes": {"1024": {"reference": 300 * 2**20, "render": None}} if settings.memory else None,
            "startup": {"latentedit --help": SPREAD} if settings.startup else None,
        }

    monkeypatch.setattr(benchmark, "run_benchmark", run_benchmark)
    return asked


def test_the_table_says_machine_rates_spread_memory_and_start_up(run, measured, tmp_path):
    done = run("bench", "--out", tmp_path / "b.json")
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert ["256-sweep,", "reference", "100.0", "(50.0", "-", "200.0)", "90", "234", "50%", "1.00"] in lines
    assert "torch's fp32 3 x 3 convolution: 468 GFLOP/s" in done.out
    assert "tuned allocator: glibc keeps its memory (M_MMAP_MAX 0, M_TRIM_THRESHOLD 2 GiB): not available" in done.out
    assert ["1024,", "reference", "300"] in lines
    assert ["1024,", "render", "unknown"] in lines
    assert ["latentedit", "--help", "100.0", "(50.0", "-", "200.0)"] in lines
    assert json.loads((tmp_path / "b.json").read_text())["regimes"]["stock"] == [ROW]
    assert measured[0].scenes == SCENES


def test_what_is_measured_can_be_chosen(run, measured):
    run("bench", "--only", "1024,faces,startup", "--rounds", 7)
    run("bench", "--quick")
    run("bench", "--only", "memory", "--quick")
    chosen = [(s.scenes, s.memory, s.startup, s.rounds) for s in measured]
    assert chosen == [(("faces", "1024"), False, True, 7), (("faces", "256"), False, True, 5), ((), True, False, 5)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--only", "256,512"], "'512' is not one of faces, 256,"),
        (["--rounds", "1"], "--rounds 1"),
        (["--rounds", "0"], "'0'"),
        (["--only", "faces", "--nvidia", "nowhere"], "nowhere is no checkout"),
        (["--only", "faces", "--out", "no/such/folder.json"], "no/such"),
    ],
)
def test_a_mistake_is_one_line(run, words, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("bench", *words)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert expected in done.err


def test_a_real_one_measures_both_regimes(run):
    assert "\nlatentedit bench --only faces --quick " in (ROOT / "docs" / "commands" / "index.md").read_text()
    facts = run("bench", "--only", "faces", "--quick", "--json", "--quiet").facts
    assert facts["machine"]["threads"] >= 1
    assert [row["scene"] for row in facts["regimes"]["stock"]] == ["faces"] * len(facts["regimes"]["stock"])
    assert facts["regimes"].keys() == {"stock", "tuned"}
    assert facts["startup"] is None
