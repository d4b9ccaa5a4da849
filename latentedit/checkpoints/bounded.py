"""A file that is read within its bounds, whatever lengths its content states."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any

Reader = Callable[[Any], Any]  # of what stands behind an opcode
LONGEST_LINE = 2**16  # bytes of a name or a number written as text


class Bounded:
    """A file whose reads take no more memory than it has bytes left, whatever lengths it states."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, start = file, file.tell()
        self.size = file.seek(0, io.SEEK_END)
        file.seek(start)

    def tell(self) -> int:
        """Say how many bytes lie before the next."""
        return self.file.tell()

    def read(self, count: int) -> bytes:
        return self.file.read(count if count < LONGEST_LINE else min(count, self.size - self.file.tell()))

    def readline(self) -> bytes:
        return self.file.readline(LONGEST_LINE)

    def read_argument(self, code: bytes, read: Reader) -> Any:
        """Read what stands behind an opcode and may be long."""
        return read(self)
