"""A file that has come in part: its bytes, and which version of which address they belong to."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from latentedit.files import read_small, replacing


@dataclass(frozen=True)
class Version:
    """One version of what an address serves: its ETag or date, empty if none, and its size where the server says it."""

    url: str
    validator: str
    total: int | None  # bytes


@dataclass(frozen=True)
class Partial:
    """The bytes at `path`, whose version lies beside them as JSON."""

    path: Path

    @property
    def held(self) -> int:
        """How many bytes are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self, url: str) -> Version | None:
        """Return the version that the bytes belong to, if a transfer from this address can go on from them."""
        try:
            version = Version(**json.loads(read_small(self._note)))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return version if version.url == url and version.validator and self.held else None

    def open(self, version: Version, offset: int) -> IO[bytes]:
        """Open for the bytes from `offset` on; from 0 on, whatever was here is dropped."""
        if offset:
            return self.path.open("ab")
        file = self.path.open("wb")  # emptied first: bytes never lie under another version's note
        with replacing(self._note) as note:
            note.write_text(json.dumps(asdict(version)), encoding="utf-8")
        return file

    def discard(self) -> None:
        """Drop the bytes."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self, path: Path) -> None:
        """Become the whole file at `path`, once every byte is on the disk."""
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(self.path, path)
        self.discard()

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")
