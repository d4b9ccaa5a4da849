"""The operators' CUDA sources, compiled for the CPU against a fake CUDA, so that they run without a GPU."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from stylegan_ops.build import CSRC

FAKE_CUDA = Path(__file__).parent / "stylegan_ops" / "fake_cuda"
TORCH = Path(torch.__file__).parent


@pytest.fixture(scope="session")
def host_ops(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The real kernels and bindings with a fake CUDA: each launch runs its grid's threads one after another."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to compile the kernels for the CPU")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "host_ops"  # one for all processes
    folder.mkdir(exist_ok=True)
    library = folder / "host_ops.so"
    with FileLock(folder / "lock"):
        if not library.exists():
            compile_host_ops(compiler, library)
    return load_module(library)


def compile_host_ops(compiler: str, library: Path) -> None:
    """Compile every source beside the library, then link them."""
    sources = [*sorted(CSRC.glob("*.cu")), CSRC / "bindings.cpp", FAKE_CUDA / "current_stream.cpp"]
    includes = [FAKE_CUDA, CSRC, TORCH / "include", sysconfig.get_paths()["include"]]
    flags = ["-std=c++20", "-fPIC", "-Wall", "-Wno-unknown-pragmas", "-DTORCH_EXTENSION_NAME=host_ops"]
    flags += [f"-I{path}" for path in includes]

    def compile_source(source: Path) -> str:
        # A misaligned vector is an error on a GPU, and so it is here: it kills the process.
        traps = ["-O1", "-fsanitize=alignment", "-fsanitize-undefined-trap-on-error"] if source.suffix == ".cu" else []
        target = str(library.parent / f"{source.stem}.o")
        run([compiler, *flags, *traps, "-c", "-x", "c++", str(source), "-o", target])
        return target

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_source, reversed(sources)))
    torch_libraries = [f"-L{TORCH / 'lib'}", "-ltorch_python", "-ltorch", "-ltorch_cpu", "-lc10"]
    run([compiler, "-shared", *objects, *torch_libraries, "-o", str(library)])


def load_module(library: Path) -> Any:
    spec = importlib.util.spec_from_file_location("host_ops", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
