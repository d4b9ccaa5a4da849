import platform
import subprocess
import sys

import pytest
import torch

from latentedit.benchmark import memory
from latentedit.benchmark.memory import measure_peak, tune_allocator

MIB = 2**20
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def hold(mebibytes):
    """Fill some memory and let go of it."""
    return lambda: torch.ones(mebibytes * MIB // 4).sum()


@needs_linux
def test_the_peak_is_what_was_held_at_most():
    code = (  # in a process of its own, whose allocator no other test has tuned
        "import torch; from latentedit.benchmark.memory import *\n"
        "def hold(mebibytes): return lambda: torch.ones(mebibytes * 2**18).sum()\n"
        "for size in (64, 128, 64): print(measure_peak(hold(size)) / 2**20)\n"
        "hold(80)(); print(measure_peak(hold(64)) / 2**20)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *peaks, again = map(float, done.stdout.split())
    for size, peak in zip((64, 128, 64), peaks, strict=True):
        assert size * 0.9 < peak < size * 1.3
    assert 60 <= again < 80, "what was freed went back to the system"


def test_no_peak_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "no" / "proc")
    assert measure_peak(hold(1)) is None


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is glibc's")
def test_the_tuned_allocator_keeps_what_was_freed():
    code = (
        "import torch; from latentedit.benchmark.memory import *\n"
        "assert tune_allocator()\n"
        "def hold(mebibytes): return lambda: torch.ones(mebibytes * 2**18).sum()\n"
        "hold(80)(); print(measure_peak(hold(64)) / 2**20)"  # smaller, so that what was freed has room for it
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 <= float(done.stdout) < 4


def test_off_glibc_there_is_nothing_to_tune(monkeypatch):
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(memory.ctypes, "CDLL", None)
    assert tune_allocator() is False
