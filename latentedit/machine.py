"""The machine that this runs on: processor, memory, threads and versions."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

TELLING_FLAGS = ("avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")


def describe_machine() -> dict[str, Any]:
    """Collect what a time depends on, fit for JSON."""
    return {
        "processor": describe_processor(),
        "flags": [flag for flag in TELLING_FLAGS if re.search(rf"\b{flag}\b", _read_cpuinfo())],
        "capability": torch.backends.cpu.get_cpu_capability(),
        "cores": count_cores(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("latentedit", "torch", "numpy")},
        "onednn": torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]
    }


def describe_processor() -> str:
    """Name the processor as well as the system can."""
    named = re.search(r"model name\s*: (.*)", _read_cpuinfo())
    return named[1].strip() if named else platform.processor() or platform.machine()


def count_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory(device: torch.device) -> int:
    """Say how much memory can be had now on a device: -> bytes; half of all where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    path = Path("/proc/meminfo")
    if path.exists() and (found := re.search(r"MemAvailable:\s*(\d+) kB", path.read_text())):
        return int(found[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _read_cpuinfo() -> str:
    """Read what Linux says of the processor; elsewhere there is nothing."""
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""
