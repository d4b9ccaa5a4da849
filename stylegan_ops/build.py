"""Compile csrc/ on first use, or say once why plain torch runs instead."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

CSRC = Path(__file__).parent / "csrc"

CPU_FLAGS = {  # of every variant, best first
    "avx512_bf16": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mavx512bf16"],
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"],
    "avx2": ["-mavx2", "-mfma"],
    "plain": [],
}

_lock = threading.Lock()
_ops: list[Any | None] = []  # empty until the first CUDA tensor asks
_cpu_ops: list[ctypes.CDLL | None] = []  # empty until the first render on the CPU


def load_cuda_ops() -> Any | None:
    """Return the compiled CUDA operators, or None where they cannot be built.

    The first call compiles them, or finds them compiled in torch's extension cache; it warns with
    the compiler's reason where that fails. Later calls return the same answer at once.
    """
    if not _ops:
        with _lock:
            if not _ops:
                _load_once()
    return _ops[0]


def _load_once() -> None:
    try:
        _ops.append(compile_cuda_ops())
    except Exception as error:  # whatever is amiss with a machine's compilers, plain torch still runs
        _ops.append(None)
        message = f"stylegan_ops runs in plain torch, slower: its CUDA kernels did not build: {reason(error)}"
        warnings.warn(message, RuntimeWarning, stacklevel=4)


def compile_cuda_ops() -> Any:
    """Compile csrc/ for the GPUs of this machine, or load it from torch's extension cache.

    torch compiles for the GPUs it sees, or for those that TORCH_CUDA_ARCH_LIST names.
    """
    from torch.utils.cpp_extension import load  # imports setuptools: too slow to pay where there is no GPU

    sources = [str(path) for path in sorted(CSRC.iterdir()) if path.suffix in {".cpp", ".cu"}]
    with ninja_on_path():
        return load(f"stylegan_ops_{fingerprint()}", sources, extra_cflags=["-O2"], extra_cuda_cflags=["-O3"])


@contextmanager
def ninja_on_path() -> Iterator[None]:
    """Let torch find the ninja installed with this package, also where nobody activated the environment."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([before, str(Path(sys.executable).parent)])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def has_cuda_ops() -> bool:
    """Tell whether the CUDA operators of this machine are compiled already."""
    return any(cache_folder().glob(f"**/stylegan_ops_{fingerprint()}/*.so"))


def cache_folder() -> Path:
    """Name the folder that keeps compiled operators: torch's own for extensions."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_EXTENSIONS_DIR") or caches / "torch_extensions")


def fingerprint() -> str:
    """Hash all that a build depends on: the sources, torch, and the GPUs it is compiled for."""
    gpus = {torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())}
    chosen = os.environ.get("TORCH_CUDA_ARCH_LIST", "")
    digest = hashlib.sha256(f"{torch.__version__} {sorted(gpus)} {chosen}".encode())
    for path in sorted(path for path in CSRC.iterdir() if path.is_file()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def load_cpu_ops() -> ctypes.CDLL | None:
    """Return the compiled CPU operators, or None where plain torch is to run: the same answer for a whole process.

    The first call compiles them, which takes seconds, or finds them compiled by an earlier process.
    None without a word where there is no compiler, not Linux, or the environment sets
    LATENTEDIT_NO_COMPILER; with one warning that says why where compiling fails.
    """
    with _lock:
        if not _cpu_ops:
            _load_cpu_once()
    return _cpu_ops[0]


def _load_cpu_once() -> None:
    unwanted = os.environ.get("LATENTEDIT_NO_COMPILER", "0") not in ("", "0") or sys.platform != "linux"
    if unwanted or not (find_compiler() or cpu_library(choose_variant()).exists()):
        _cpu_ops.append(None)
        return
    try:
        _cpu_ops.append(compile_cpu_ops())
    except Exception as error:  # as above
        _cpu_ops.append(None)
        message = f"rendering in plain torch, slower: the CPU operators did not build: {reason(error)}"
        warnings.warn(message, RuntimeWarning, stacklevel=4)


def find_compiler() -> str | None:
    """Find the C++ compiler: what CXX names, or the system's own."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    return next(filter(None, map(shutil.which, names)), None)


def choose_variant() -> str:
    """Choose the best entry of CPU_FLAGS that this machine can run, as torch and Linux see it."""
    capability = torch.backends.cpu.get_cpu_capability()
    if capability == "AVX512":
        return "avx512_bf16" if "avx512_bf16" in Path("/proc/cpuinfo").read_text() else "avx512"
    return "avx2" if capability == "AVX2" else "plain"


def compile_cpu_ops(variant: str | None = None) -> ctypes.CDLL:
    """Compile csrc/cpu for this machine, or for a `variant` of CPU_FLAGS; load it from the cache if it is there.

    It needs no headers but the compiler's own. Raises where there is no compiler, or it fails.
    """
    variant = variant or choose_variant()
    library = cpu_library(variant)
    if not library.exists():
        _compile(library, CPU_FLAGS[variant])
    return ctypes.CDLL(str(library))


def cpu_library(variant: str) -> Path:
    """Name the file that holds a compiled variant, in torch's extension cache: other sources, another file."""
    digest = hashlib.sha256(" ".join(CPU_FLAGS[variant]).encode())
    for path in sorted((CSRC / "cpu").iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return cache_folder() / "stylegan_ops_cpu" / f"{variant}_{digest.hexdigest()[:16]}.so"


def _compile(library: Path, flags: list[str]) -> None:
    compiler = find_compiler()
    if compiler is None:
        raise RuntimeError("cannot find a C++ compiler: install g++, or name one in CXX")
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        sources = [str(path) for path in sorted((CSRC / "cpu").glob("*.cpp"))]
        command = [compiler, "-std=c++17", "-O3", "-w", "-fPIC", "-fopenmp", "-shared", *flags, *sources]
        made = Path(folder) / library.name
        done = subprocess.run([*command, "-o", str(made)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr or f"{compiler} failed with exit code {done.returncode}")
        made.replace(library)  # whole or not at all: other processes may compile at the same time


def reason(error: Exception) -> str:
    """Find the line that names the cause in what may be pages of compiler output."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = re.compile(r"\b(error|fatal)\b|cannot find|undefined (reference|symbol)")
    line = next((line for line in lines if telling.search(line)), lines[0] if lines else type(error).__name__)
    return line[:300]
