"""A picture of how far scores can be taken at their word: rated against predicted, tenth by tenth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from latentedit.errors import InputError
from latentedit.files import replacing

COLUMNS = 4
SHOWN = ("memorable", "happy", "age", "gender", "typical", "attractive", "trustworthy", "smart")


def draw_reliability(header: Mapping[str, Any], path: Path) -> None:
    """Draw an assessor's reliability diagrams from its header: a PNG, whole or not at all.

    Each point is a tenth of the left-out faces; on the diagonal, people rated them as predicted.
    """
    calibration = header["calibration"]
    shown = [attribute for attribute in SHOWN if attribute in calibration] or list(calibration)[: len(SHOWN)]
    with replacing(path) as temporary:
        _draw(calibration, shown).savefig(temporary, format="png", dpi=110)


def _draw(calibration: Mapping[str, Any], shown: Sequence[str]) -> Any:
    """Lay out one panel an attribute."""
    try:
        from matplotlib.figure import Figure  # without pyplot: no window system, no global state
    except ImportError as error:
        raise InputError("drawing needs matplotlib: pip install 'latentedit[plots]'") from error
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(2.6 * COLUMNS, 2.8 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).flat
    for attribute, panel in zip(shown, panels, strict=False):
        _draw_panel(panel, attribute, calibration[attribute])
    for panel in list(panels):  # those that are left over
        panel.set_axis_off()
    figure.supxlabel("predicted")
    figure.supylabel("rated")
    return figure


def _draw_panel(panel: Any, attribute: str, figures: Mapping[str, Any]) -> None:
    """Draw the tenths of one attribute, the interval around them and the diagonal."""
    predicted, rated = figures["reliability"]["predicted"], figures["reliability"]["rated"]
    ends = [min(predicted + rated) - 2, max(predicted + rated) + 2]
    panel.plot(ends, ends, color="0.7", linewidth=1)
    panel.fill_between(
        ends,
        [end - figures["half_width"] for end in ends],
        [end + figures["half_width"] for end in ends],
        color="0.93",
    )
    panel.plot(predicted, rated, "o-", color="#0b6e99", markersize=4)
    panel.set(title=f"{attribute}, slope {figures['slope']:.2f}", xlim=ends, ylim=ends, aspect="equal")
