import json
import re
from collections.abc import Iterator

import pytest
import torch
from web_server import serving, status

from latentedit import diagnosis
from latentedit.diagnosis import TOPICS, Finding, diagnose
from latentedit.errors import InputError
from stylegan_ops import build


def find(findings, name):
    return next(finding for finding in findings if finding.name == name)


def test_a_whole_installation_is_found_to_work(run, home):
    done = run("doctor", "--offline")
    assert done.code == 0
    topics = [line for line in done.out.splitlines() if not line.startswith(" ")]
    assert topics == list(TOPICS)
    assert f"torch            {torch.__version__}" in done.out
    assert "CC BY-NC-SA 4.0, the bundled generator" in done.out
    assert str(home) in done.out
    assert "a face rendered and rated 4" in done.out
    assert 0 < float(re.search(r"bf16 differs from fp32 by (\S+) of", done.out)[1]) < 0.03


def publish(monkeypatch, folder, *mirrors):
    """Know of one file, at these addresses and without a licence."""
    registry = folder / "mine.json"
    registry.write_text(json.dumps([{"name": "mine", "kind": "generator", "file": "mine.pkl", "mirrors": mirrors}]))
    monkeypatch.setattr("latentedit.downloads.registry.SHIPPED", registry)


def test_hosts_that_are_silent_are_named_with_a_mend(monkeypatch, tmp_path):
    with serving(status(404)) as server:
        publish(monkeypatch, tmp_path, f"{server.url}/deep/mine.pkl")
        found = find(diagnosis.check_hosts(), "the web")
        assert (found.state, found.text) == ("ok", "1 of 1 hosts of published files answer")
        publish(monkeypatch, tmp_path, f"{server.url}/mine.pkl", "http://localhost:9/mine.pkl")
        found = find(diagnosis.check_hosts(), "the web")
    assert (found.state, found.text) == ("note", "1 of 2 hosts of published files answer, not localhost")
    assert "HTTPS_PROXY" in found.advice


def test_in_offline_mode_no_host_is_asked(monkeypatch):
    monkeypatch.setenv("LATENTEDIT_OFFLINE", "1")
    monkeypatch.setattr(diagnosis, "_answers", lambda url: 1 / 0)
    assert find(diagnosis.check_hosts(), "the web").text == "not asked, in offline mode"


def test_the_detector_of_faces_is_looked_for(monkeypatch):
    monkeypatch.setenv("LATENTEDIT_OFFLINE", "1")
    assert "models get yunet" in find(diagnosis.check_hosts(), "face detector").advice
    monkeypatch.setenv("LATENTEDIT_YUNET", "mine.onnx")
    assert find(diagnosis.check_hosts(), "face detector").state == "ok"


def test_licences_of_what_was_downloaded_are_named(monkeypatch, tmp_path, home):
    publish(monkeypatch, tmp_path)
    assert not [finding for finding in diagnosis.check_terms() if finding.name == "mine"]
    (home / "cache" / "mine").mkdir(parents=True)
    (home / "cache" / "mine" / "mine.pkl").touch()
    found = find(diagnosis.check_terms(), "mine")
    assert (found.topic, found.text) == ("licensed", "not stated")
    assert "ask its authors" in found.advice


def test_what_is_broken_ends_with_code_1_and_a_mend(run, monkeypatch):
    monkeypatch.setattr(diagnosis, "check_bundled", lambda: iter([Finding("works", "faces", "broken", "no", "mend")]))
    done = run("doctor", "--json", "--offline")
    assert done.code == 1
    assert done.facts[-1] == {"topic": "works", "name": "faces", "state": "broken", "text": "no", "advice": "mend"}


def test_packages_that_are_missing_or_old_are_named(monkeypatch):
    lines = ["torch>=99", "no-such-package", 'nothing-either; extra == "ui"', 'pytest; extra == "test"', "numpy"]
    monkeypatch.setattr(diagnosis, "requires", lambda name: lines)
    monkeypatch.setattr(diagnosis, "_list_extras", lambda: ["test", "ui"])
    found = list(diagnosis.check_packages())
    assert [(f.name, f.state) for f in found[1:]] == [
        ("torch", "broken"),
        ("no-such-package", "broken"),
        ("numpy", "ok"),
        ("[test]", "ok"),
        ("[ui]", "note"),
    ]
    assert find(found, "torch").text == f"{torch.__version__}, torch>=99 is needed"
    assert find(found, "no-such-package").text == "missing, no-such-package is needed"
    assert find(found, "[ui]").text == "without nothing-either"
    assert ".[ui]" in find(found, "[ui]").advice


def test_a_torch_that_does_not_import_ends_the_search(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    found = list(diagnose())
    assert [f.topic for f in found if f.state == "broken"] == ["works"]
    assert "torch" in found[-1].text


def test_a_bundled_file_that_is_damaged_is_said_to_be(monkeypatch):
    def fail(*_):
        raise InputError("faces.safetensors is\ncut short")

    monkeypatch.setattr("latentedit.checkpoints.load_checkpoint", fail)
    found = list(diagnose())
    assert found[-1].state == "broken"
    assert "faces.safetensors is cut short" in found[-1].text


def test_a_folder_that_cannot_be_written_is_a_note(tmp_path):
    assert diagnosis._check_folder("x", tmp_path / "new" / "deep", "").text.endswith("deep, not made yet")
    found = diagnosis._check_folder("x", diagnosis.Path("/proc/none"), "mend")
    assert (found.state, found.advice) == ("note", "mend")


def test_the_folder_of_downloads_is_tried(monkeypatch, tmp_path):
    monkeypatch.setenv("LATENTEDIT_CACHE", str(tmp_path / "weights"))
    assert find(diagnosis.check_places(), "downloads").text == f"{tmp_path / 'weights'}, not made yet"


@pytest.mark.parametrize(
    ("built", "compiler", "ask", "error", "state", "text"),
    [
        (True, None, False, None, "ok", "compiled"),
        (False, None, True, None, "note", "no compiler, plain torch runs instead"),
        (False, "cc", False, None, "note", "compiled on first use by cc"),
        (False, "cc", True, None, "ok", "compiled in 0 s by cc"),
        (False, "cc", True, RuntimeError("x.cpp:1: error: bad"), "broken", "did not build: x.cpp:1: error: bad"),
    ],
)
def test_operators_are_compiled_only_when_asked(built, compiler, ask, error, state, text):
    calls = []

    def compile():
        calls.append(1)
        if error:
            raise error

    found = diagnosis._check_build("operators", built, compiler, compile, ask)
    assert (found.state, found.text) == (state, text)
    assert len(calls) == (ask and not built and compiler is not None)


def test_compiled_cuda_operators_are_found_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    assert not build.has_cuda_ops()
    folder = tmp_path / f"stylegan_ops_{build.fingerprint()}"
    folder.mkdir()
    (folder / "ops.so").touch()
    assert build.has_cuda_ops()


def test_compiled_cpu_operators_are_found_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    monkeypatch.setattr(build, "find_compiler", lambda: "cc")
    assert find(diagnosis.check_operators(False), "CPU operators").text == "compiled on first use by cc"
    library = build.cpu_library(build.choose_variant())
    library.parent.mkdir()
    library.touch()
    assert find(diagnosis.check_operators(False), "CPU operators").text == "compiled"


def test_where_there_is_a_gpu_its_operators_are_looked_at(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(build, "has_cuda_ops", lambda: True)
    assert find(diagnosis.check_operators(False), "CUDA operators").text == "compiled"


def test_findings_come_one_by_one():
    assert isinstance(diagnose(), Iterator)


def test_fewer_threads_than_cores_is_a_note(monkeypatch):
    monkeypatch.setattr("latentedit.machine.count_cores", lambda: 64)
    found = find(diagnosis.check_devices(), "processor")
    assert (found.state, found.advice) == ("note", "OMP_NUM_THREADS=64 would use all cores")
