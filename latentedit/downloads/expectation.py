"""What a file must be before it is taken for the one that was asked for."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

LARGEST = 4 << 30  # bytes, of a file whose size is not registered
A_PAGE = "sends a web page, not the file: open the address in a browser and give the file itself"
PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|!--|html|head|body|script|\?xml)", re.IGNORECASE)


@dataclass(frozen=True)
class Expected:
    """The size in bytes and the SHA-256 that a file must have, as far as they are known, and what to call it."""

    label: str
    size: int | None = None
    sha256: str | None = None

    @property
    def most(self) -> int:
        """How many bytes are taken at most."""
        return self.size or LARGEST

    def find_misfit(self, num_bytes: int) -> str | None:
        """Say why a file of so many bytes can't be the right one, if it can't."""
        if num_bytes == 0:
            return "sends nothing"
        if self.size not in (None, num_bytes):
            return f"{num_bytes:,} bytes, where {self.size:,} are registered"
        return f"{num_bytes:,} bytes, where {LARGEST:,} are the limit" if num_bytes > self.most else None

    def find_fault(self, path: Path) -> str | None:
        """Say why a file that has come whole, by its beginning and its size, can't be the right one."""
        if is_page(path):
            return A_PAGE
        return self.find_misfit(path.stat().st_size)


def is_page(path: Path) -> bool:
    """Tell a web page by how it begins."""
    with path.open("rb") as file:
        return bool(PAGE.match(file.read(256)))


def sha256_of(path: Path) -> str:
    """Hash a file: -> SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
