"""Features of many images beside their scores and maps, and what goes with what."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latentedit.evaluation.tables import format_estimate
from latentedit.explanation.correlations import Correlation, correlate_features, draw_correlations, write_correlations
from latentedit.explanation.image_features import Model, measure_image
from latentedit.explanation.page import Figure, Section, Table
from latentedit.explanation.regions import share_out
from latentedit.explanation.views import View
from latentedit.scoring import Scorer
from latentedit.statistics import Floats

MOST_LISTED = 12  # correlations on the page


class FeatureTable:
    """Collects features image by image; `finish` correlates them with the score and the shares of its first map.

    Scorers in `hold` rate every image, for partial correlations. Images in several folders are also compared within
    their folder only.
    """

    def __init__(self, hold: Sequence[Scorer] = (), models: Mapping[str, Model] | None = None) -> None:
        self.hold, self.models = hold, models
        self.names: list[str] = []
        self.features: list[dict[str, float]] = []
        self.scores: list[dict[str, float]] = []
        self.held: list[list[float]] = []

    def add(self, view: View, regions: Mapping[str, Tensor] | None = None, landmarks: Tensor | None = None) -> None:
        """Measure an image."""
        kind, map = next(iter(view.maps.items()))
        shares = share_out(map, regions) if regions else {}
        self.names.append(view.name)
        self.features.append(measure_image(view.picture, landmarks, self.models))
        self.scores.append({"score": view.scores[-1], **{f"{kind} in {name}": share for name, share in shares.items()}})
        with torch.no_grad():
            self.held.append([float(scorer(view.picture[None])) for scorer in self.hold])

    def correlate(self) -> list[Correlation]:
        """Correlate what all images have; raise InputError where they are too few."""
        covariates = list(np.array(self.held).T) if self.hold else []
        return correlate_features(_gather(self.features), _gather(self.scores), covariates, self._categories())

    def _categories(self) -> list[str] | None:
        folders = [str(Path(name).parent) for name in self.names]
        return folders if len(set(folders)) > 1 else None

    def finish(self, folder: Path) -> Section:
        """Write features.csv, correlations.csv and features.png: -> what the page shows of them."""
        found = self.correlate()
        with (folder / "features.csv").open("w", newline="", encoding="utf-8") as file:
            columns = {**_gather(self.features), **_gather(self.scores)}
            writer = csv.writer(file)
            writer.writerow(["image", *columns])
            rows = np.stack(list(columns.values()), axis=1).tolist()
            writer.writerows([name, *row] for name, row in zip(self.names, rows, strict=True))
        write_correlations(folder / "correlations.csv", found)
        draw_correlations([one for one in found if one.score == "score"] or found).savefig(folder / "features.png")
        figure = Figure(folder / "features.png", "which features go with the score", "correlations of features, drawn")
        return Section(
            "Features", f"All {len(found)} correlations are in correlations.csv.", [figure], [_tabulate(found)]
        )


def _gather(rows: Sequence[Mapping[str, float]]) -> dict[str, Floats]:
    """Turn rows into columns, those that every row has."""
    shared = [name for name in rows[0] if all(name in row for row in rows)]
    return {name: np.array([row[name] for row in rows]) for name in shared}


def _tabulate(found: Sequence[Correlation]) -> Table:
    """List the correlations with the least p."""
    header = ["feature", "with", "Spearman", "p, Holm", "p, BH", "partial", "within folders"]
    rows = []
    for one in sorted(found, key=lambda one: one.p)[:MOST_LISTED]:
        estimates = [format_estimate(estimate) for estimate in (one.rho, one.partial, one.within)]
        rows.append([one.feature, one.score, estimates[0], f"{one.p_holm:.2g}", f"{one.p_bh:.2g}", *estimates[1:]])
    return Table(header, rows)
