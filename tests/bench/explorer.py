"""Time the explorer's repaints in headless Chromium: `python tests/bench/explorer.py`.

A slider is dragged one step a picture, so that no move is dropped: from the move to the picture on the page, and for
moves let go (fp32, with the commands) likewise. Prints medians and the tenth and ninetieth percentile in ms.
"""

from __future__ import annotations

import statistics
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from browser import find_browser
from playwright.sync_api import Page, sync_playwright

from latentedit.checkpoints import load_checkpoint
from latentedit.explorer import PageServer, Workshop

MOVES = 80
WARM_UP = 10


def main() -> None:
    """Serve the bundled generator, drag and print."""
    server = PageServer(Workshop(load_checkpoint("faces")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as driver:
        page = driver.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"]).new_page()
        page.goto(server.url)
        wait_for(page, "repaint", 1)
        for kind, event, setting in (
            ("preview", "input", "all layers"),
            ("repaint", "change", "all layers"),
            ("preview", "input", "fine layers"),
        ):
            if setting == "fine layers":
                page.fill("#layers-text", "6-9")
                page.press("#layers-text", "Enter")
            times = sorted(drag(page, kind, event))
            low, high = times[len(times) // 10], times[-len(times) // 10]
            print(f"{kind:8} {setting:12} median {statistics.median(times):5.0f} ms, 10-90 % {low:.0f} to {high:.0f}")


def drag(page: Page, kind: str, event: str) -> list[float]:
    """Move a slider step by step: -> ms from each move to its picture."""
    for move in range(MOVES + WARM_UP):
        wanted = count(page, kind) + 1
        page.evaluate(
            """([alpha, event]) => {
                const slider = document.getElementById("alpha-w_sq");
                slider.value = alpha;
                slider.dispatchEvent(new Event(event));
            }""",
            [-4 + 0.1 * move, event],
        )
        wait_for(page, kind, wanted)
    times: list[float] = page.evaluate(f"performance.getEntriesByName('{kind}').map((one) => one.duration)")
    return times[-MOVES:]


def count(page: Page, kind: str) -> int:
    """Count the repaints of a kind so far."""
    found: int = page.evaluate(f"performance.getEntriesByName('{kind}').length")
    return found


def wait_for(page: Page, kind: str, wanted: int) -> None:
    """Wait for a repaint."""
    while count(page, kind) < wanted:
        page.wait_for_timeout(5)


if __name__ == "__main__":
    main()
