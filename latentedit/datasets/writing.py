"""A data set as a table that `read_dataset` reads again, with the splits that it was dealt to."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from latentedit.datasets.rated import Dataset, File
from latentedit.files import replacing


def write_splits(path: Path, dataset: Dataset) -> None:
    """Write path, score, split and categories: scores on the scale from 0 to 1, paths relative to the table.

    Members of a ZIP keep their names, and can't be read from the table.
    """
    low, high = dataset.range
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "score", "split", "category", "subcategory"])
        for image in dataset.images:
            name = os.path.relpath(image.picture.path, path.parent) if isinstance(image.picture, File) else image.name
            score = (image.score - low) / (high - low)
            table.writerow([name, f"{score:.9g}", image.split, image.category, image.subcategory])
