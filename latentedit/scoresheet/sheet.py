"""A file of scores that a later run goes on with: a line of JSON each while it grows, then CSV or JSON."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from latentedit.errors import InputError, about, damaged
from latentedit.files import replacing
from latentedit.scoresheet.rows import Row

SUFFIXES = (".csv", ".json")
OTHER = "was begun with other images or scorers: delete it, or name another --out"


class Sheet:
    """Rows in `NAME.part`, which becomes the file asked for when it is complete.

    A sheet of the same scorers and images goes on behind the last whole row of one that was interrupted.
    """

    def __init__(self, path: Path, scorers: Sequence[str]) -> None:
        if path.suffix not in SUFFIXES:
            raise InputError(f"{path}: give a name that ends in {' or '.join(SUFFIXES)}")
        self.path, self.part = path, path.with_name(f"{path.name}.part")
        self.first = {"scorers": list(scorers)}

    def resume(self, names: Sequence[str]) -> int:
        """Count the whole rows that are there, cut off what follows; refuse those of other images or scorers."""
        with about(self.part), damaged(OTHER):
            if not self.part.exists() or not _cut_after_last_line(self.part):
                self.part.write_text(json.dumps(self.first) + "\n", encoding="utf-8")
            done = 0
            with self.part.open(encoding="utf-8") as file:
                if json.loads(next(file)) != self.first:
                    raise InputError(OTHER)
                for done, line in enumerate(file, 1):
                    if json.loads(line)["image"] != names[done - 1]:
                        raise InputError(OTHER)
        return done

    def append(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Write each row as it passes by."""
        with about(self.part), self.part.open("a", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row.to_dict()) + "\n")
                file.flush()
                yield row

    def finish(self) -> None:
        """Put the complete sheet in its place."""
        write = self._write_json if self.path.suffix == ".json" else self._write_csv
        with about(self.path):
            with replacing(self.path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
                write(file)
            self.part.unlink()

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read the rows that are there."""
        with self.part.open(encoding="utf-8") as file:
            next(file)
            yield from map(json.loads, file)

    def _write_json(self, file: TextIO) -> None:
        for i, row in enumerate(self.rows()):
            file.write(("[\n" if i == 0 else ",\n") + json.dumps(row))
        file.write("\n]\n")

    def _write_csv(self, file: TextIO) -> None:
        columns = dict.fromkeys(chain.from_iterable(map(_flatten, self.rows())))  # in the order of their appearance
        table = csv.DictWriter(file, [*columns])
        table.writeheader()
        table.writerows(map(_flatten, self.rows()))


def _flatten(row: dict[str, Any]) -> dict[str, Any]:
    """Lay out a row for a table: the ends of an interval beside its score, scorers at their floor with a plus."""
    intervals = row.get("intervals", {})
    ends = {
        f"{name}:{end}": value
        for name, pair in intervals.items()
        for end, value in zip(("low", "high"), pair, strict=True)
    }
    floors = {"at_floor": "+".join(row["at_floor"])} if "at_floor" in row else {}
    return {key: value for key, value in row.items() if key not in ("intervals", "at_floor")} | ends | floors


def _cut_after_last_line(path: Path) -> bool:
    """Cut off what follows the last line break, what an interrupted run was writing; tell whether any is left."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 2**16)
            file.seek(start)
            if (found := file.read(end - start).rfind(b"\n")) >= 0:
                file.truncate(start + found + 1)
                return True
            end = start
    return False
