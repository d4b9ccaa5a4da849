import hashlib
import random
import time
from types import SimpleNamespace

import pytest
from web_server import serving

from latentedit.downloads import Item, transfer


@pytest.fixture(scope="session")
def body() -> bytes:
    """A file of 500,000 bytes."""
    return random.Random(0).randbytes(500_000)


@pytest.fixture
def item(server, body) -> Item:
    """A published file, whose only mirror is the server."""
    digest = hashlib.sha256(body).hexdigest()
    return Item("tiny", "tiny.pkl", "generator", mirrors=(f"{server.url}/tiny.pkl",), licence="CC0 1.0", sha256=digest)


@pytest.fixture
def server():
    """A server that has no answer yet."""
    with serving() as server:
        yield server


@pytest.fixture
def other():
    """A second server."""
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def naps(monkeypatch) -> list[float]:
    """Wait for a server 0.3 s at most; between attempts not at all, but write down how long it would have been."""
    naps: list[float] = []
    monkeypatch.setattr(transfer, "PATIENCE", transfer.Patience(connect=0.3, read=0.3, attempts=4))
    monkeypatch.setattr(transfer, "time", SimpleNamespace(sleep=naps.append, monotonic=time.monotonic))
    return naps
