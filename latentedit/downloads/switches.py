"""Whether the network may be used, and how much is said of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_OFFLINE = ContextVar("offline", default=False)
_QUIET = ContextVar("quiet", default=False)


@contextmanager
def switches(offline: bool = False, quiet: bool = False) -> Iterator[None]:
    """Download nothing (`offline`), or without a progress bar (`quiet`), for the length of a block."""
    tokens = _OFFLINE.set(offline or _OFFLINE.get()), _QUIET.set(quiet or _QUIET.get())
    try:
        yield
    finally:
        _OFFLINE.reset(tokens[0])
        _QUIET.reset(tokens[1])


def is_offline() -> bool:
    """Tell whether nothing may be downloaded: in such a block, or with LATENTEDIT_OFFLINE=1."""
    return _OFFLINE.get() or os.environ.get("LATENTEDIT_OFFLINE", "") not in ("", "0")


def is_quiet() -> bool:
    """Tell whether progress is to be kept to itself."""
    return _QUIET.get()
