"""Several processes, and processes that die: one transfer, and never half a file."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict

import pytest
from filelock import FileLock, Timeout
from web_server import stall, status, whole

import latentedit
from latentedit.downloads import cache, obtain, path_of
from latentedit.downloads.partial import Partial

GET = """
import sys, types
sys.modules["latentedit"] = package = types.ModuleType("latentedit")  # without torch, whose import takes seconds
package.__path__ = sys.argv[1:]
from latentedit.downloads import find_item, obtain
from latentedit.errors import InputError
try:
    obtain(find_item("tiny"))
except InputError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def start(item, tmp_path, home):
    """Start a process that downloads the published file."""
    registry = tmp_path / "registry.json"
    registry.write_text(json.dumps([asdict(item)]))
    started = []

    def start_get(**options) -> subprocess.Popen:
        command = [sys.executable, "-c", GET, *latentedit.__path__]
        env = os.environ | {"LATENTEDIT_REGISTRY": str(registry)}
        started.append(subprocess.Popen(command, env=env, text=True, stderr=subprocess.PIPE, **options))
        return started[-1]

    yield start_get
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def wait_until(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_two_processes_share_one_transfer(server, item, body, start):
    go_on = threading.Event()

    def answer_late(handler):
        go_on.wait(60)
        whole(body)(handler)

    server.answers = [answer_late]
    processes = [start(), start()]
    wait_until(lambda: server.requests)
    waiting = threading.Thread(target=lambda: (time.sleep(1), go_on.set()))
    waiting.start()
    said = [process.communicate()[1] for process in processes]
    waiting.join()
    assert [process.returncode for process in processes] == [0, 0]
    assert len(server.requests) == 1
    assert path_of(item).read_bytes() == body
    assert sum("licence" in text for text in said) == 1


def test_a_second_process_says_that_it_waits(server, item, body, start):
    server.answers = [whole(body)]
    path_of(item).parent.mkdir(parents=True)
    with FileLock(path_of(item).with_name("tiny.pkl.lock")):
        process = start()
        timer = threading.Timer(20, process.kill)
        timer.start()
        assert process.stderr.readline() == "tiny: another process is downloading it: waiting\n"
        assert server.requests == []
    assert "licence" in process.communicate()[1]
    timer.cancel()
    assert process.returncode == 0


def test_a_killed_process_leaves_no_file_and_no_lock_and_the_next_goes_on(server, item, body, start):
    server.answers = [stall(body, 300_000, seconds=20), whole(body)]
    process, part = start(), path_of(item).with_name("tiny.pkl.part")
    wait_until(lambda: part.exists() and part.stat().st_size >= 200_000)
    with pytest.raises(Timeout):
        FileLock(path_of(item).with_name("tiny.pkl.lock")).acquire(timeout=0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not path_of(item).exists()
    begin = time.monotonic()
    assert obtain(item).read_bytes() == body
    assert time.monotonic() - begin < 5
    assert int(server.ranges[1].removeprefix("bytes=").removesuffix("-")) >= 200_000


@pytest.mark.parametrize(
    ("owner", "step", "num_requests"),
    [(Partial, "open", 2), (cache, "_record", 1), (Partial, "finish", 1), (Partial, "discard", 1)],
)
def test_an_end_at_any_step_leaves_the_whole_file_or_none(server, item, body, monkeypatch, owner, step, num_requests):
    def end(*_, **__):
        raise KeyboardInterrupt

    server.answers = [whole(body), whole(body), status(500)]
    with monkeypatch.context() as context:
        context.setattr(owner, step, end)
        with pytest.raises(KeyboardInterrupt):
            obtain(item)
    assert path_of(item).exists() == (step == "discard")
    assert obtain(item).read_bytes() == body
    assert len(server.requests) == num_requests


def test_a_file_that_cannot_grow_is_one_line_and_goes_on_later(server, item, body, start):
    server.answers = [whole(body)]
    limit = (200_000, 200_000)  # as on a full disk, the kernel refuses the write
    process = start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    said = process.communicate()[1].splitlines()
    assert said[1:] == ["tiny: File too large"]
    assert not path_of(item).exists()
    assert obtain(item).read_bytes() == body
    assert server.ranges[1] == "bytes=200000-"
