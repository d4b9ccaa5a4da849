"""What is wrong with a data set: files that are missing, images that several splits share, scores out of range."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from latentedit.datasets.rated import Dataset, RatedImage
from latentedit.errors import InputError

MOST_NAMED = 5


@dataclass(frozen=True)
class Inspection:
    """What was found; `digests` holds each image's content hash, empty where the file is missing."""

    dataset: Dataset
    digests: tuple[str, ...]
    missing: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]  # names of one content, within a split
    leaks: tuple[tuple[str, ...], ...]  # names of one content, in several splits
    conflicts: tuple[tuple[str, ...], ...]  # names of one content with different scores
    out_of_range: tuple[str, ...]

    @property
    def faults(self) -> dict[str, Sequence[Any]]:
        """What must be mended before anything is trained or measured."""
        return {"missing files": self.missing, "scores out of range": self.out_of_range, "leaks": self.leaks}

    def to_dict(self) -> dict[str, Any]:
        """Return counts and names, fit for JSON."""
        found = {"missing": self.missing, "duplicates": self.duplicates, "leaks": self.leaks}
        more = {"conflicts": self.conflicts, "out_of_range": self.out_of_range}
        facts = {"dataset": self.dataset.name, "target": self.dataset.target, "images": len(self.dataset.images)}
        return {**facts, "splits": count_splits(self.dataset), **found, **more}


def inspect_dataset(dataset: Dataset, quiet: bool = True) -> Inspection:
    """Check every image and score of a data set; every file is read once."""
    if not dataset.images:
        raise InputError(f"{dataset.name} has no images: check what was given")
    bar = tqdm(dataset.images, desc="checking", unit="img", disable=quiet)
    digests = [image.picture.digest() if image.picture.exists() else "" for image in bar]
    same = list(_gather_same(dataset.images, digests))
    return Inspection(
        dataset,
        tuple(digests),
        missing=tuple(image.name for image, digest in zip(dataset.images, digests, strict=True) if not digest),
        duplicates=_names(group for group in same if len({image.split for image in group}) == 1),
        leaks=_names(group for group in same if len({image.split for image in group}) > 1),
        conflicts=_names(group for group in same if len({image.score for image in group}) > 1),
        out_of_range=tuple(image.name for image in dataset.images if not _is_within(image.score, dataset.range)),
    )


def require_sound(inspection: Inspection) -> None:
    """Raise InputError that names what must be mended."""
    for fault, found in inspection.faults.items():
        if found:
            shown = ", ".join(map(_show, found[:MOST_NAMED])) + (", ..." if len(found) > MOST_NAMED else "")
            raise InputError(f"{inspection.dataset.name} has {len(found)} {fault}: {shown}; mend or drop those rows")


def count_splits(dataset: Dataset) -> dict[str, int]:
    """Count the images of each split: -> counts by name, empty where there are none."""
    splits = [image.split for image in dataset.images if image.split]
    return {split: splits.count(split) for split in dict.fromkeys(splits)}


def _gather_same(images: Sequence[RatedImage], digests: Sequence[str]) -> Iterator[list[RatedImage]]:
    groups: dict[str, list[RatedImage]] = defaultdict(list)
    for image, digest in zip(images, digests, strict=True):
        groups[digest].append(image)
    return (group for digest, group in groups.items() if digest and len(group) > 1)


def _names(groups: Iterator[list[RatedImage]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(image.name for image in group) for group in groups)


def _is_within(score: float, scale: tuple[float, float]) -> bool:
    return math.isfinite(score) and scale[0] <= score <= scale[1]


def _show(found: str | tuple[str, ...]) -> str:
    return found if isinstance(found, str) else " = ".join(found)
