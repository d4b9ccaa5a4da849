"""Explanations image by image in a folder: overlays as pictures, rows for other programs, one page for people."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from latentedit.evaluation.tables import format_estimate
from latentedit.explanation.overlays import overlay
from latentedit.explanation.page import Figure, Section, Table, write_page
from latentedit.explanation.regions import REGIONS, share_out
from latentedit.explanation.views import View
from latentedit.pictures import to_pil
from latentedit.statistics import resample_faces, summarise_resamples
from latentedit.vocabulary import Overlay

MOST_SHOWN = 48  # images on the page; the others are in the files beside it
COLUMNS = ("image", "map", "score_before", "score", "sum", "error", *REGIONS, "overlay")


class Report:
    """Collects what explains images, in memory that grows by a few numbers for each.

    Write it into an empty folder: `add` leaves overlays there, `finish` the page and the tables.
    """

    def __init__(self, folder: Path, style: Overlay = "heat") -> None:
        self.folder, self.style = folder, style
        self.areas: dict[str, list[float]] = {name: [] for name in REGIONS}
        self.num_images, self.rows = 0, list[dict[str, Any]]()
        self.sections: list[Section] = []

    def add(self, view: View, regions: Mapping[str, Tensor] | None = None) -> None:
        """Add an image, with the parts of its face where they are known."""
        stem = f"{self.num_images:05d}_{Path(view.name).stem[:80]}"
        self.num_images += 1
        for name, mask in (regions or {}).items():
            self.areas[name].append(float(mask.float().mean()))
        rows: list[dict[str, Any]] = []
        for kind, map in view.maps.items():
            to_pil(overlay(view.picture[None], map[None], self.style)[0]).save(self.folder / f"{stem}_{kind}.png")
            facts = {"image": view.name, "map": kind, "score": view.scores[-1], "sum": float(map.sum())}
            before = {"score_before": view.scores[0]} if len(view.scores) > 1 else {}
            shares = share_out(map, regions) if regions else {}
            error = {"error": view.errors[kind]} if kind in view.errors else {}
            rows.append({**facts, **before, **error, **shares, "overlay": f"{stem}_{kind}.png"})
        self.rows += rows
        if len(self.sections) < MOST_SHOWN:
            self.sections.append(self._describe(view, rows))

    def _describe(self, view: View, rows: list[dict[str, Any]]) -> Section:
        """Lay an image's pictures, overlays and numbers out."""
        figures = [Figure(to_pil(picture), word, f"{view.name}, {word}") for word, picture in view.pictures.items()]
        figures += [Figure(self.folder / row["overlay"], _say(row), f"{view.name}, {_say(row)}") for row in rows]
        change = f" ({view.scores[-1] - view.scores[0]:+.4g})" if len(view.scores) > 1 else ""
        text = "score " + " to ".join(f"{score:.4g}" for score in view.scores) + change
        return Section(view.name, text, figures, [_tabulate(rows)] if REGIONS[0] in rows[0] else [])

    def summarise(self) -> Table | None:
        """Average the regions' areas and shares over images, with 95 % bootstrap intervals; None without regions."""
        kinds = list(dict.fromkeys(row["map"] for row in self.rows))
        known = {kind: [row for row in self.rows if row["map"] == kind and REGIONS[0] in row] for kind in kinds}
        if not all(known.values()):
            return None
        areas = ["area", *(f"{100 * sum(found) / len(found):.1f}" for found in self.areas.values())]
        return Table(["mean share, %", *REGIONS], [areas, *([kind, *_average(rows)] for kind, rows in known.items())])

    def finish(self, title: str, facts: Mapping[str, Any], more: Sequence[Section] = ()) -> None:
        """Write report.html, with more sections before those of the images, explanation.csv and explanation.json."""
        summary, hidden = self.summarise(), self.num_images - len(self.sections)
        words = f"The first {len(self.sections)} images; {hidden} more are in explanation.csv." if hidden > 0 else ""
        over_all = [Section("All images", words, (), [summary])] if summary and self.num_images > 1 else []
        write_page(self.folder / "report.html", title, facts, [*over_all, *more, *self.sections])
        with (self.folder / "explanation.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
        text = json.dumps({**facts, "rows": self.rows}, indent=1, allow_nan=False)
        (self.folder / "explanation.json").write_text(text + "\n", encoding="utf-8")


def _say(row: Mapping[str, Any]) -> str:
    """Say under a map what it is and where it lies."""
    words = str(row["map"]).replace("_", " ")
    if "error" in row:
        words += f", error {row['error']:.2%}"
    if REGIONS[0] not in row:
        return words
    return f"{words}: most in {max(REGIONS, key=lambda name: row[name])}"


def _tabulate(rows: list[dict[str, Any]]) -> Table:
    cells = [[row["map"], *(f"{row[name]:.1%}" for name in REGIONS)] for row in rows]
    return Table(["share of the map", *REGIONS], cells)


def _average(rows: list[dict[str, Any]]) -> list[str]:
    shares = resample_faces(len(rows))
    values = np.array([[100 * row[name] for name in REGIONS] for row in rows])
    return [format_estimate(summarise_resamples(shares @ column), 1).replace("+", "") for column in values.T]
