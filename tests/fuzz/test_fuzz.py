"""The fuzzing of tests/fuzz/run.py for a few seconds, without its coverage; and that it notices what it is for."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judge import LONGEST, Finding, Judge
from mutation import mutate, mutate_once
from readers import READERS
from run import Fuzzer, keep, supervise
from seeds import write_seeds

from latentedit.errors import InputError

SEARCH = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def judge():
    return Judge()


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return write_seeds(tmp_path_factory.mktemp("seeds"))


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_reads_a_seed(reader, seeds):
    read, kinds = READERS[reader]
    found = []
    for path in (path for kind in kinds for path in sorted(seeds[kind].iterdir())):
        with contextlib.suppress(InputError):  # another reader's
            found.append(read(path))
    assert found


@pytest.mark.parametrize("reader", READERS)
@SEARCH
@given(data=st.data())
def test_changed_files_are_read_or_refused_in_one_line(reader, data, seeds, judge, tmp_path):
    read, kinds = READERS[reader]
    paths = [path for kind in kinds for path in sorted(seeds[kind].iterdir())]
    seed, number = data.draw(st.sampled_from(paths)), data.draw(st.integers(0, 2**32))
    (tmp_path / seed.name).write_bytes(mutate(seed.read_bytes(), Random(number)))
    assert judge(read, tmp_path / seed.name) is None


def test_changes_are_repeatable_and_change(seeds):
    for path in (path for folder in seeds.values() for path in sorted(folder.iterdir())):
        content = path.read_bytes()
        changed = [mutate_once(content, Random(i), lambda data, _: data) for i in range(20)]
        assert changed == [mutate_once(content, Random(i), lambda data, _: data) for i in range(20)]
        if content[:2] in (b"\x80\x02", b"PK", b"\x93N", b'{"'):
            assert any(result != content for result in changed), path.name


def hang(path):
    while True:
        pass


def eat(path):
    try:
        bytearray(2**50)
    except MemoryError as error:
        raise InputError(f"{path}: damaged") from error


def spend(path):
    start = time.process_time()
    while time.process_time() - start < 0.3:
        pass
    return []


def fail(message):
    raise InputError(message)


PLANTED = {
    "traceback": (lambda path: {}[path], "KeyError"),
    "memory": (eat, "MemoryError"),
    "time": (spend, "0.3 s"),
    "unprintable": (lambda path: ["a\x1b[31m"], "x1b"),
    "line without the file": (lambda path: fail("damaged"), "damaged"),
    "line that is two": (lambda path: fail(f"{path}: a\nb"), "a"),
    "line without end": (lambda path: fail(f"{path}: " + "a" * LONGEST), "aaa"),
    "written file": (lambda path: path.with_suffix(".out").write_bytes(b"") and [], "open"),
    "removed file": (lambda path: path.unlink(), "os.remove"),
    "shell": (lambda path: os.system("true") and [], "os.system"),
    "program": (lambda path: subprocess.run(["true"], check=True) and [], "subprocess.Popen"),
    "code": (lambda path: exec("1") or [], "exec"),
    "module": (lambda path: __import__("this_is_no_module"), "import"),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_noticed(bug, judge, tmp_path, monkeypatch):
    monkeypatch.setattr("judge.MOST_SECONDS", 0.2)
    (tmp_path / "input.pkl").touch()
    read, detail = PLANTED[bug]
    found = judge(read, tmp_path / "input.pkl")
    assert found is not None
    assert detail in found.detail


def test_a_good_reader_is_no_finding(judge, tmp_path):
    assert judge(lambda path: ["fine"], tmp_path) is None
    assert judge(lambda path: fail(f"{path}: damaged"), tmp_path) is None


def test_a_finding_is_made_smaller_and_kept_once(tmp_path, monkeypatch):
    monkeypatch.setitem(READERS, "planted", (find_x, ()))
    fuzzer = Fuzzer("planted", tmp_path)
    fuzzer.open_stacks()
    for content in (b"a" * 500 + b"x" + b"b" * 300, b"aax", b"no"):
        fuzzer.test(content)
    fuzzer.stacks.close()
    inputs = [path for path in (tmp_path / "findings").iterdir() if not path.suffix]
    assert [path.read_bytes() for path in inputs] == [b"x"]
    assert "find_x" in inputs[0].with_suffix(".txt").read_text()


def find_x(path):
    return [{False: ""}[b"x" in path.read_bytes()]]


def test_one_place_is_one_finding(tmp_path):
    stack = 'File "a.py", line 1, in f\n'
    keep(Finding("traceback", "KeyError: 1", stack), b"long", tmp_path)
    keep(Finding("traceback", "KeyError: 2", stack), b"s", tmp_path)
    keep(Finding("traceback", "KeyError: 3", stack + stack), b"other", tmp_path)
    assert sorted(p.read_bytes() for p in (tmp_path / "findings").iterdir() if not p.suffix) == [b"other", b"s"]


PLANT = """
import sys; sys.path.insert(0, {folder!r})
import readers, run
def hang(path):
    if b"h" in path.read_bytes():
        while True: pass
    return []
readers.READERS["planted"] = (hang, ())
run.HANG = 1
fuzzer = run.Fuzzer("planted", run.Path({outdir!r}))
fuzzer.open_stacks()
fuzzer.test(b"fine")
fuzzer.test(b"hang")
"""


def test_a_hang_ends_the_process_and_is_kept_with_its_stack(tmp_path, monkeypatch):
    code = PLANT.format(folder=str(Path(__file__).parent), outdir=str(tmp_path))
    real, ended = subprocess.run, []

    def run(command, **options):
        ended.append(real([sys.executable, "-c", code], **options).returncode)
        return subprocess.CompletedProcess(command, ended[-1])

    monkeypatch.setattr("run.subprocess.run", run)
    monkeypatch.setattr("run.BETWEEN", 10)
    total = supervise("planted", tmp_path, inputs=1, seconds=2)
    assert ended[0] == -signal.SIGVTALRM
    assert total["findings"] == 1
    stack = next((tmp_path / "findings").glob("hang-*.txt")).read_text()
    assert "in hang" in stack


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs the extra fuzz")
def test_the_command_fuzzes_a_reader(tmp_path):
    command = [sys.executable, str(Path(__file__).parent / "run.py"), "--readers", "index", "--inputs", "300"]
    done = subprocess.run([*command, "--outdir", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "index" in done.stdout
    assert json.loads((tmp_path / "index" / "figures.json").read_text())["inputs"] > 0
