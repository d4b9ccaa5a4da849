"""What is known of a folder's images, on disk: a list with a line an image, and their rows of numbers.

Both files are only ever added to, a line after its row: whatever is cut short, lines that are whole have their rows,
and order can't come apart. Where images leave or change, both are written anew as the next generation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentedit.errors import InputError, about, damaged
from latentedit.files import replacing

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Entry:
    """An image: its path below the folder, what tells that the file is still the same, its score, its row's width."""

    path: str
    size: int
    time: int  # of the last change, in nanoseconds
    score: float
    width: int  # 0: it can't be read, and has no row

    def fits(self, path: Path) -> bool:
        """Tell whether a file is as it was when it was looked at."""
        status = path.stat()
        return (status.st_size, status.st_mtime_ns) == (self.size, self.time)


@dataclass(eq=False)
class Journal:
    """All entries of a generation, in the order of the list and of the rows."""

    place: Path
    generation: int
    entries: list[Entry]
    list_size: int  # of its whole lines, in bytes
    rows_size: int  # of the rows that belong to them

    @property
    def whole(self) -> list[Entry]:
        """The entries that have rows."""
        return [entry for entry in self.entries if entry.width]

    @property
    def _list(self) -> Path:
        return self.place / f"images-{self.generation}.jsonl"

    @property
    def _rows(self) -> Path:
        return self.place / f"rows-{self.generation}.f32"

    @property
    def graph(self) -> Path:
        """Where a graph of these rows may lie, for a search that does not look at all of them."""
        return self.place / f"graph-{self.generation}.usearch"

    def map_rows(self) -> Floats:
        """Map the rows into memory: -> [N, D], read only."""
        whole = self.whole
        if not whole:
            return np.zeros((0, 0), np.float32)
        if not self._rows.is_file() or self._rows.stat().st_size < self.rows_size:
            raise InputError(f"{self._rows} does not fit its index: delete the folder {self.place}, it is made anew")
        return np.memmap(self._rows, np.float32, "r", shape=(len(whole), whole[0].width))

    def add(self, entries: Sequence[Entry], rows: Floats) -> None:
        """Add images, and a row [n, D] for each that has one: first the rows, then the lines."""
        lines, numbers = _write_lines(entries), rows.astype(np.float32).tobytes()
        _write_at(self._rows, self.rows_size, numbers)
        _write_at(self._list, self.list_size, lines)
        self.entries += entries
        self.rows_size += len(numbers)
        self.list_size += len(lines)

    def keep(self, stays: Callable[[Entry], bool]) -> Journal:
        """Drop entries and their rows, in a generation of its own that takes effect whole; itself where all stay."""
        entries = [entry for entry in self.entries if stays(entry)]
        if len(entries) == len(self.entries):
            return self
        chosen = [row for row, entry in enumerate(self.whole) if stays(entry)]
        lines = _write_lines(entries)
        after = Journal(self.place, self.generation + 1, entries, len(lines), _sum_rows(entries))
        rows = self.map_rows()
        with after._rows.open("wb") as file:
            for row in chosen:
                file.write(rows[row].tobytes())
        with replacing(after._list) as temporary:
            temporary.write_bytes(lines)
        for path in (self._list, self._rows, self.graph):
            path.unlink(missing_ok=True)
        return after


def open_journal(place: Path) -> Journal:
    """Open the newest generation that lies in a folder, or begin the first; a last line cut short does not count."""
    place.mkdir(parents=True, exist_ok=True)
    generations = [int(path.stem.rpartition("-")[2]) for path in place.glob("images-*.jsonl")]
    if not generations:
        return Journal(place, 0, [], 0, 0)
    path = place / f"images-{max(generations)}.jsonl"
    with about(path), damaged(f"is no index: delete the folder {place}, it is made anew"):
        content = path.read_bytes()
        length = content.rfind(b"\n") + 1
        entries = [Entry(*json.loads(line)) for line in content[:length].splitlines()]
        return Journal(place, max(generations), entries, length, _sum_rows(entries))


def _sum_rows(entries: Sequence[Entry]) -> int:
    return 4 * sum(entry.width for entry in entries)


def _write_lines(entries: Sequence[Entry]) -> bytes:
    return "".join(f"{json.dumps(astuple(entry))}\n" for entry in entries).encode()


def _write_at(path: Path, start: int, content: bytes) -> None:
    """Write at a place of a file, over what was cut short there."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.seek(start)
        file.write(content)
