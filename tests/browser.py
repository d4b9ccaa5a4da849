"""The browser that this machine has, for tests and benchmarks of pages."""

from __future__ import annotations

import shutil

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_browser() -> str | None:
    """Find Chromium or its like: -> its path, None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)
