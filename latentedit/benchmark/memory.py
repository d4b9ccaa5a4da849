"""The C library's allocator, and the peak of resident memory."""

from __future__ import annotations

import ctypes
import platform
import re
from collections.abc import Callable
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of mallopt(3)
MOST = 2**31 - 1  # bytes, the largest threshold that mallopt takes
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def tune_allocator() -> bool:
    """Let glibc keep freed memory, so that large tensors do not fault in fresh pages; False where that can't be.

    There is no way back within the process.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(name, value) == 1 for name, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, MOST)))


def measure_peak(run: Callable[[], object]) -> int | None:
    """Return the bytes by which resident memory rises at most while `run` runs; None where the system can't tell."""
    try:
        CLEAR.write_text("5")  # resets the high-water mark, see proc(5)
    except OSError:
        return None
    before = _read_status("VmRSS")
    run()
    return max(_read_status("VmHWM") - before, 0)


def _read_status(field: str) -> int:
    """Read a size that Linux gives in kB."""
    found = re.search(rf"^{field}:\s*(\d+) kB", STATUS.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
