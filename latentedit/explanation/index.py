"""Images by likeness: embeddings and scores of a folder on disk, searched by cosine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import InputError
from latentedit.explanation.embeddings import Embedding
from latentedit.explanation.graph import find_candidates
from latentedit.explanation.journal import Entry, Floats, open_journal
from latentedit.photographs import list_images
from latentedit.predictors import AnyScorer
from latentedit.scoresheet.sources import Photographs
from latentedit.scoring import score

BATCH, BLOCK = 16, 2**14


@dataclass(frozen=True)
class Found:
    """A neighbour: its path, cosine similarity in [-1, 1] and score."""

    path: str
    similarity: float
    score: float


@dataclass(frozen=True, eq=False)
class Index:
    """Images' paths and scores, and the embedding of each in the row of its number: unit length, mapped [N, D]."""

    paths: Sequence[str]
    scores: Sequence[float]
    rows: Floats
    graph: Path | None = None  # where an approximate search keeps what it needs

    def search(
        self, query: Floats, num: int, without: Path | None = None, approximate: bool = False, quiet: bool = True
    ) -> list[Found]:
        """Find the `num` images nearest to an embedding [D], nearest first, but for the file `without`.

        Every row is looked at; `approximate` takes what a graph names, which is made at the first such search.
        """
        query, count = _normalise(query), min(num + 1, len(self.rows))
        chosen = np.arange(len(self.rows))
        if approximate and self.graph is not None:
            chosen = np.sort(find_candidates(self.graph, self.rows, query, count, quiet))
        near = self._compare(query, chosen)
        best = np.argpartition(-near, count - 1)[:count]
        ordered = best[np.argsort(-near[best], kind="stable")]
        found = [Found(self.paths[chosen[i]], float(near[i]), self.scores[chosen[i]]) for i in ordered]
        return [one for one in found if without is None or Path(one.path).resolve() != without.resolve()][:num]

    def _compare(self, query: Floats, chosen: NDArray[np.integer]) -> Floats:
        """Take the cosine with rows in their order, block by block: -> [n]."""
        if len(chosen) < len(self.rows):
            return np.asarray(self.rows[chosen] @ query)
        return np.concatenate([self.rows[start : start + BLOCK] @ query for start in range(0, len(self.rows), BLOCK)])


def rank(found: Sequence[Found], num: int, order: str = "nearest") -> list[Found]:
    """Take the first `num` of neighbours: the `nearest`, or those with the `highest` or `lowest` scores."""
    if order == "nearest":
        return list(found[:num])
    return sorted(found, key=lambda one: one.score, reverse=order == "highest")[:num]


def update_index(
    home: Path, folder: Path, embedding: Embedding, scorer: AnyScorer, quiet: bool = True
) -> tuple[Index, int]:
    """Bring the index of a folder up to date: -> it, and how many new or changed images were looked at.

    It lies in a journal under `home`, which grows batch by batch: a build that is killed goes on where it was. Images
    that can't be read are passed over until they change. One process at a time writes; another waits for it.
    """
    from filelock import FileLock

    files = {str(path.relative_to(folder)): path for path in list_images([folder])}
    place = home / _digest(str(folder.resolve()), embedding.name, scorer.name)
    place.mkdir(parents=True, exist_ok=True)
    with FileLock(place / "lock"):
        journal = open_journal(place).keep(lambda entry: entry.path in files and entry.fits(files[entry.path]))
        known = {entry.path for entry in journal.entries}
        fresh = {name: path for name, path in files.items() if name not in known}
        for entries, rows in _describe(fresh, embedding, scorer, quiet):
            journal.add(entries, rows)
    if not journal.whole:
        raise InputError(f"{folder} holds no image that can be read: name another folder")
    paths, scores = zip(*((str(files[entry.path]), entry.score) for entry in journal.whole), strict=True)
    return Index(paths, scores, journal.map_rows(), journal.graph), len(fresh)


def _digest(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def _describe(
    files: dict[str, Path], embedding: Embedding, scorer: AnyScorer, quiet: bool
) -> Iterator[tuple[list[Entry], Floats]]:
    """Embed and score images batch by batch; those that can't be read have no row."""
    names, source = list(files), Photographs(list(files.values()))
    for start in tqdm(range(0, len(names), BATCH), desc="embedding", unit="batch", disable=quiet or not names):
        part = range(start, min(start + BATCH, len(names)))
        seen, rated = source.load(part, embedding.framing), source.load(part, scorer.framing)
        whole = {i: (a, b) for i, a, b in zip(part, seen, rated, strict=True) if _is_image(a) and _is_image(b)}
        rows = np.zeros((0, 0), np.float32)
        scores: dict[int, float] = {}
        if whole:
            both = [torch.stack(images) for images in zip(*whole.values(), strict=True)]
            rows = np.stack([_normalise(row) for row in embedding(both[0]).numpy()])
            scores = dict(zip(whole, score(scorer, both[1]).tolist(), strict=True))
        yield [_enter(names[i], files[names[i]], scores.get(i), rows.shape[1]) for i in part], rows


def _is_image(loaded: Tensor | InputError) -> bool:
    return isinstance(loaded, Tensor)


def _enter(name: str, path: Path, score: float | None, width: int) -> Entry:
    """Write down an image, with no row where it has no score."""
    status = path.stat()
    return Entry(name, status.st_size, status.st_mtime_ns, score or 0.0, 0 if score is None else width)


def _normalise(row: Floats) -> Floats:
    return row / max(float(np.linalg.norm(row)), 1e-12)
