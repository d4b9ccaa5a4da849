"""Compile csrc/ with ninja on first use, or say once why plain torch runs instead."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import warnings
from pathlib import Path
from typing import Any

import torch

CSRC = Path(__file__).parent / "csrc"

_lock = threading.Lock()
_ops: list[Any | None] = []  # empty until the first CUDA tensor asks


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
    """Compile csrc/ for the GPUs of this machine, or load it from torch's extension cache."""
    from torch.utils.cpp_extension import load  # imports setuptools: too slow to pay where there is no GPU

    sources = [str(path) for path in sorted(CSRC.iterdir()) if path.suffix in {".cpp", ".cu"}]
    return load(f"stylegan_ops_{fingerprint()}", sources, extra_cflags=["-O2"], extra_cuda_cflags=["-O3"])


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
    digest = hashlib.sha256(f"{torch.__version__} {sorted(gpus)}".encode())
    for path in sorted(path for path in CSRC.iterdir() if path.is_file()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def reason(error: Exception) -> str:
    """Find the line that names the cause in what may be pages of compiler output."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = re.compile(r"\b(error|fatal)\b|cannot find|undefined (reference|symbol)")
    line = next((line for line in lines if telling.search(line)), lines[0] if lines else type(error).__name__)
    return line[:300]
