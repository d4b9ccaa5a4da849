"""The build: never at import, once per process, and one warning with the reason where it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils import cpp_extension

from stylegan_ops import build

NINJA_OUTPUT = """Error building extension 'stylegan_ops_0': [1/4] c++ -isystem /torch/include -c bindings.cpp
FAILED: bindings.o
In file included from bindings.cpp:2:
/torch/include/c10/cuda/CUDAStream.h:3:10: fatal error: cuda_runtime_api.h: No such file or directory
    3 | #include <cuda_runtime_api.h>
compilation terminated.
[2/4] /usr/local/cuda/bin/nvcc -c bias_act.cu
ninja: build stopped: subcommand failed.
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every test be the first to ask."""
    monkeypatch.setattr(build, "_ops", [])


def fail_with(message: str) -> Any:
    def load(*_: Any, **__: Any) -> Any:
        raise RuntimeError(message)

    return load


def test_importing_compiles_nothing() -> None:
    code = (
        "import sys, torch, stylegan_ops; stylegan_ops.bias_act(torch.ones(1, 2)); "
        "print('torch.utils.cpp_extension' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"


def test_a_failure_warns_once_with_the_compilers_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpp_extension, "load", fail_with(NINJA_OUTPUT))
    with pytest.warns(RuntimeWarning, match="fatal error: cuda_runtime_api.h: No such file") as caught:
        assert build.load_cuda_ops() is None
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    assert build.load_cuda_ops() is None  # a second warning would be an error here


def test_the_answer_holds_where_warnings_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpp_extension, "load", fail_with(NINJA_OUTPUT))
    with pytest.raises(RuntimeWarning, match="plain torch"):
        build.load_cuda_ops()
    assert build.load_cuda_ops() is None


def test_a_machine_without_compilers_falls_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The real build, on a machine with neither nvcc nor ninja nor a CUDA toolkit."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    monkeypatch.setattr(cpp_extension, "CUDA_HOME", None)
    with pytest.warns(RuntimeWarning, match=r"did not build: \S") as caught:
        assert build.load_cuda_ops() is None
    assert len(caught) == 1


def test_ninja_is_found_beside_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment that nobody activated, as in the README's own command."""
    python = tmp_path / "env" / "python"
    python.parent.mkdir()
    (python.parent / "ninja").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = []
    monkeypatch.setattr(cpp_extension, "load", lambda *_, **__: found.append(shutil.which("ninja")))
    build.compile_cuda_ops()
    assert found == [str(python.parent / "ninja")]
    assert os.environ["PATH"] == str(tmp_path)


def test_other_gpus_change_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "8.0")
    before = build.fingerprint()
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "9.0")
    assert build.fingerprint() != before


def test_a_failure_leaves_plain_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpp_extension, "load", fail_with("nvcc fatal   : Unsupported gpu architecture 'compute_120'"))
    with pytest.warns(RuntimeWarning, match="Unsupported gpu architecture"):
        ops = build.load_cuda_ops()
    assert ops is None


def test_success_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    ops = object()
    monkeypatch.setattr(cpp_extension, "load", lambda *args, **_: calls.append(args) or ops)
    assert build.load_cuda_ops() is ops
    assert build.load_cuda_ops() is ops
    ((name, sources),) = calls
    assert name == f"stylegan_ops_{build.fingerprint()}"
    assert {Path(path).name for path in sources} == {
        "bias_act.cu",
        "bindings.cpp",
        "current_stream.cpp",
        "filtered_lrelu.cu",
        "style_epilogue.cu",
        "upfirdn2d.cu",
    }


def test_threads_compile_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, results = [], []
    start, ops = threading.Barrier(4), object()

    def slow_load(*_: Any, **__: Any) -> Any:
        calls.append(1)
        threading.Event().wait(0.05)
        return ops

    def ask() -> None:
        start.wait()
        results.append(build.load_cuda_ops())

    monkeypatch.setattr(cpp_extension, "load", slow_load)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert results == [ops] * 4


@pytest.mark.parametrize("edited", ["bias_act.cu", "bias_act.h", "bindings.cpp"])
def test_an_edit_changes_the_fingerprint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, edited: str) -> None:
    for path in build.CSRC.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    before = build.fingerprint()
    monkeypatch.setattr(build, "CSRC", tmp_path)
    assert build.fingerprint() == before
    with (tmp_path / edited).open("a") as file:
        file.write("// edited\n")
    assert build.fingerprint() != before


def test_another_torch_changes_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.fingerprint()
    monkeypatch.setattr(torch, "__version__", "0.0.0")
    assert build.fingerprint() != before


@pytest.mark.parametrize(
    ("before", "telling", "after"),
    [
        (
            "[1/4] c++ -c bindings.cpp\nFAILED: bindings.o\n",
            "c.h:3:10: fatal error: cuda.h: No such file",
            "\n    3 | #include",
        ),
        ("Error building extension 'x': FAILED: x.o\n", 'a.cu(12): error: identifier "y" is undefined', "\n1 error"),
        ("[4/4] c++ x.o\n", "/usr/bin/ld: cannot find -lcudart: No such file", "\ncollect2: error: ld returned 1"),
        ("", "CUDA_HOME environment variable is not set.", "\nPlease set it."),
    ],
)
def test_the_reason_is_the_telling_line(before: str, telling: str, after: str) -> None:
    assert build.reason(RuntimeError(before + telling + after)) == telling


def test_a_silent_error_gives_its_type() -> None:
    assert build.reason(KeyError()) == "KeyError"


def test_a_very_long_reason_is_cut() -> None:
    assert len(build.reason(RuntimeError("error: " + "x" * 10_000))) == 300


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let nothing be compiled for the CPU yet: -> a folder for a pretended compiler."""
    monkeypatch.setattr(build, "_cpu_ops", [])
    monkeypatch.setattr(build.sys, "platform", "linux")
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("LATENTEDIT_NO_COMPILER", raising=False)
    return tmp_path


def pretend_compiler(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a script as the compiler; it notes each of its runs in a file: -> that file."""
    compiler, runs = folder / "compiler", folder / "runs"
    compiler.write_text(f"#!/bin/sh\necho run >> {runs}\n{script}\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    return runs


def test_a_failing_compiler_warns_once_and_leaves_nothing(cold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = pretend_compiler(cold, "echo 'layer.h:1: fatal error: no such thing' >&2; exit 1", monkeypatch)
    with pytest.warns(RuntimeWarning, match="fatal error: no such thing") as caught:
        assert build.load_cpu_ops() is None
    assert build.load_cpu_ops() is None
    assert len(caught) == 1
    assert runs.read_text() == "run\n"
    assert not [path for path in (cold / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("variable", [{"CXX": "/no/such/compiler"}, {"LATENTEDIT_NO_COMPILER": "1"}])
def test_without_a_compiler_there_is_no_word(
    cold: Path, variable: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    assert build.load_cpu_ops() is None


def test_what_was_compiled_is_found_again(cold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = build.find_compiler()
    if real is None:
        pytest.skip("no C++ compiler on this machine")
    runs = pretend_compiler(
        cold, f"echo 'int one() {{ return 1; }}' | {real} -shared -fPIC -x c++ - -o \"${{@:$#}}\"", monkeypatch
    )
    runs.parent.joinpath("compiler").write_text(
        runs.parent.joinpath("compiler").read_text().replace("/bin/sh", "/bin/bash")
    )
    first = build.compile_cpu_ops("plain")
    assert build.compile_cpu_ops("plain")._name == first._name
    assert runs.read_text() == "run\n"
    assert build.cpu_library("plain") != build.cpu_library("avx2")


def test_another_source_is_another_file(cold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.cpu_library("plain")
    (cold / "csrc" / "cpu").mkdir(parents=True)
    (cold / "csrc" / "cpu" / "new.cpp").write_text("int two() { return 2; }")
    monkeypatch.setattr(build, "CSRC", cold / "csrc")
    assert build.cpu_library("plain") != before


def test_a_variant_suits_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for capability, variants in {"DEFAULT": {"plain"}, "AVX2": {"avx2"}, "AVX512": {"avx512", "avx512_bf16"}}.items():
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda capability=capability: capability)
        assert build.choose_variant() in variants
