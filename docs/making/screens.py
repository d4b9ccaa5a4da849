"""Photograph the pages that commands make, in headless Chromium: python docs/making/screens.py

docs/explore.png is the explorer after a smile and some memorability, docs/commands/explore_phone.png the same in the
dark and narrow, docs/commands/explain.png the page of `explain`.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from latentedit.checkpoints import load_checkpoint
from latentedit.cli.main import main
from latentedit.explorer import PageServer, Workshop

DOCS = Path(__file__).parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
EXPLAIN = "explain --direction w_sq --alpha 2 --seeds 7 --quiet --outdir"


@contextmanager
def opening() -> Iterator[Browser]:
    """Open the browser that this machine has."""
    with sync_playwright() as driver:
        path = next(filter(None, map(shutil.which, BROWSERS)))
        yield driver.chromium.launch(executable_path=path, args=["--no-sandbox"])


def show_explorer(page: Page, url: str) -> None:
    """Open the explorer and edit a face as a visitor does."""
    page.goto(url)
    page.wait_for_selector("#after img[src]")
    page.fill("#seed", "7")
    page.press("#seed", "Enter")
    for name, alpha in (("smile", "1.5"), ("w_sq", "2")):
        page.locator(f"#alpha-{name}").fill(alpha)
    page.locator("#keep").get_by_text("age", exact=True).click()
    page.click("#show-strip")
    page.wait_for_selector("#strip button:last-child")
    page.wait_for_timeout(2000)


def draw_explorer(browser: Browser) -> None:
    """Photograph the explorer, wide and light, then narrow and dark."""
    server = PageServer(Workshop(load_checkpoint("faces")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wide = browser.new_page(viewport={"width": 1280, "height": 940})
    show_explorer(wide, server.url)
    wide.screenshot(path=DOCS / "explore.png")
    narrow = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    show_explorer(narrow, server.url)
    narrow.screenshot(path=DOCS / "commands" / "explore_phone.png")


def draw_explanation(browser: Browser) -> None:
    """Photograph the page that `explain` writes."""
    with tempfile.TemporaryDirectory() as folder:
        main([*EXPLAIN.split(), folder])
        page = browser.new_page(viewport={"width": 1200, "height": 700})
        page.goto(f"file://{folder}/report.html")
        page.screenshot(path=DOCS / "commands" / "explain.png", full_page=True)


if __name__ == "__main__":
    with opening() as browser:
        draw_explorer(browser)
        draw_explanation(browser)
