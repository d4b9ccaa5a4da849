"""Images by likeness: embeddings and scores of a folder on disk, searched by cosine without approximation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import InputError, about, damaged
from latentedit.explanation.embeddings import Embedding
from latentedit.files import replacing
from latentedit.photographs import list_images
from latentedit.predictors import AnyScorer
from latentedit.scoresheet.sources import Photographs
from latentedit.scoring import score

MANIFEST, BATCH, BLOCK = "index.json", 16, 2**14
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Entry:
    """An image of the index: its path, what tells that the file is still the same, and its score."""

    path: str
    size: int
    time: int  # of the last change, in nanoseconds
    score: float

    def fits(self, path: Path) -> bool:
        """Tell whether a file is as it was when it was embedded."""
        status = path.stat()
        return (status.st_size, status.st_mtime_ns) == (self.size, self.time)


@dataclass(frozen=True)
class Found:
    """A neighbour: its path, cosine similarity in [-1, 1] and score."""

    path: str
    similarity: float
    score: float


@dataclass(frozen=True, eq=False)
class Index:
    """Entries, and the embedding of each in the row of its number: unit length, memory-mapped [N, D]."""

    entries: Sequence[Entry]
    rows: Floats

    def search(self, query: Floats, num: int, without: Path | None = None) -> list[Found]:
        """Find the `num` images nearest to an embedding [D], nearest first, but for the file `without`."""
        query = _normalise(query)
        near = np.concatenate([self.rows[start : start + BLOCK] @ query for start in range(0, len(self.rows), BLOCK)])
        count = min(num + 1, len(near))
        best = np.argpartition(-near, count - 1)[:count]
        ordered = best[np.argsort(-near[best], kind="stable")]
        found = [Found(self.entries[i].path, float(near[i]), self.entries[i].score) for i in ordered]
        return [one for one in found if without is None or Path(one.path).resolve() != without.resolve()][:num]


def rank(found: Sequence[Found], num: int, order: str = "nearest") -> list[Found]:
    """Take the first `num` of neighbours: the `nearest`, or those with the `highest` or `lowest` scores."""
    if order == "nearest":
        return list(found[:num])
    return sorted(found, key=lambda one: one.score, reverse=order == "highest")[:num]


def update_index(
    home: Path, folder: Path, embedding: Embedding, scorer: AnyScorer, quiet: bool = True
) -> tuple[Index, int]:
    """Bring the index of a folder up to date: -> it, and how many new or changed images were looked at.

    It lies under `home`: a file of rows, and a manifest that names it and lists the images of its rows in their order,
    so that the two can't come apart. The manifest takes effect whole, once its rows are written. Images that can't be
    read are passed over until they change.
    """
    paths = list_images([folder])
    place = home / _digest(str(folder.resolve()), embedding.name, scorer.name)
    place.mkdir(parents=True, exist_ok=True)
    before = _read(place) if (place / MANIFEST).exists() else Stored((), (), 0, 0)
    known = {entry.path: (row, entry) for row, entry in enumerate(before.entries)}
    kept = [known[str(path)] for path in paths if str(path) in known and known[str(path)][1].fits(path)]
    skipped = {entry.path: entry for entry in before.skipped}
    passed = [skipped[str(path)] for path in paths if str(path) in skipped and skipped[str(path)].fits(path)]
    done = {entry.path for _, entry in kept} | {entry.path for entry in passed}
    fresh = [path for path in paths if str(path) not in done]
    if fresh or not before.entries or len(kept) < len(before.entries):
        before = _write(place, before, kept, passed, _describe(fresh, embedding, scorer, quiet))
    if not before.entries:
        raise InputError(f"{folder} holds no image that can be read: name another folder")
    return Index(before.entries, before.open_rows(place)), len(fresh)


@dataclass(frozen=True)
class Stored:
    """What a manifest says: entries in the order of the rows, images without a row, and which file of rows it is."""

    entries: Sequence[Entry]
    skipped: Sequence[Entry]
    width: int
    generation: int

    def locate(self, place: Path) -> Path:
        return place / f"rows-{self.generation}.f32"

    def open_rows(self, place: Path) -> Floats:
        """Map the rows into memory: -> [N, D]."""
        path, shape = self.locate(place), (len(self.entries), self.width)
        if not path.is_file() or path.stat().st_size != 4 * shape[0] * shape[1]:
            raise InputError(f"{path} does not fit its index: delete the folder {place}, it will be made anew")
        return np.memmap(path, np.float32, "r", shape=shape)


def _read(place: Path) -> Stored:
    path = place / MANIFEST
    with about(path), damaged(f"is no index: delete the folder {place}, it will be made anew"):
        content = json.loads(path.read_bytes())
        entries, skipped = ([Entry(*row) for row in content[key]] for key in ("entries", "skipped"))
        return Stored(entries, skipped, int(content["width"]), int(content["generation"]))


def _write(
    place: Path,
    before: Stored,
    kept: list[tuple[int, Entry]],
    passed: list[Entry],
    fresh: Iterator[tuple[Entry, Floats | None]],
) -> Stored:
    """Write rows that stay and new ones into a new file, then the manifest that names it."""
    entries, skipped, width = [entry for _, entry in kept], list(passed), before.width
    after = Stored((), (), 0, before.generation + 1)
    old = before.open_rows(place) if kept else None
    with after.locate(place).open("wb") as file:
        for row, _ in kept:
            file.write(old[row].tobytes())  # type: ignore[index]
        for entry, numbers in fresh:
            if numbers is None:
                skipped.append(entry)
                continue
            file.write(numbers.astype(np.float32).tobytes())
            entries.append(entry)
            width = len(numbers)
    after = Stored(entries, skipped, width, after.generation)
    lists = {key: [astuple(entry) for entry in getattr(after, key)] for key in ("entries", "skipped")}
    with replacing(place / MANIFEST) as temporary:
        temporary.write_text(json.dumps({"width": width, "generation": after.generation, **lists}))
    before.locate(place).unlink(missing_ok=True)
    return after


def _digest(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def _describe(
    paths: list[Path], embedding: Embedding, scorer: AnyScorer, quiet: bool
) -> Iterator[tuple[Entry, Floats | None]]:
    """Embed and score images; those that can't be read have no row."""
    source = Photographs(paths)
    for start in tqdm(range(0, len(paths), BATCH), desc="embedding", unit="batch", disable=quiet or not paths):
        part = range(start, min(start + BATCH, len(paths)))
        seen, rated = source.load(part, embedding.framing), source.load(part, scorer.framing)
        both = [(a, b) for a, b in zip(seen, rated, strict=True) if isinstance(a, Tensor) and isinstance(b, Tensor)]
        rows = iter(embedding(torch.stack([a for a, _ in both])).numpy() if both else ())
        scores = iter(score(scorer, torch.stack([b for _, b in both])).tolist() if both else ())
        for path, a, b in zip(paths[start:], seen, rated, strict=False):
            status = path.stat()
            is_whole = isinstance(a, Tensor) and isinstance(b, Tensor)
            entry = Entry(str(path), status.st_size, status.st_mtime_ns, next(scores) if is_whole else 0.0)
            yield entry, _normalise(next(rows)) if is_whole else None


def _normalise(row: Floats) -> Floats:
    return row / max(float(np.linalg.norm(row)), 1e-12)
