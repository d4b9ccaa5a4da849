"""Weights that still lie in their file: each is read when it is wanted, straight into memory of its own."""

from __future__ import annotations

import itertools
import mmap
import operator
import os
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from latentedit.errors import InputError

LARGE = 2**18  # bytes: what is longer has memory of its own from the system
SLACK = 2**20  # bytes that tensors of one storage may share, such as low-pass filters


class WeightFile:
    """An open file, closed when nothing refers to it any more.

    It gives out about as many bytes as it has, for a few of them can name the same weights a thousand times.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, descriptor)
        self.stream = os.fdopen(descriptor, "rb", closefd=False)
        self.size = os.fstat(descriptor).st_size
        self.allowance = 2 * self.size + SLACK

    def read(self, start: int, length: int) -> Tensor:
        """Read bytes: -> [length] uint8; raises InputError where the file has fewer."""
        self._charge(start, length)
        content = allocate(length)
        self.stream.seek(start)
        if self.stream.readinto(content.numpy().data) != length:
            raise InputError("cut short while it was read: fetch it again")
        return content

    def look(self, start: int, length: int) -> np.ndarray:
        """Look at bytes where they lie in the file: -> [length] uint8, not writeable."""
        self._charge(start, length)
        if os.fstat(self.stream.fileno()).st_size < start + length:
            raise InputError("cut short while it was read: fetch it again")
        ahead = start % mmap.ALLOCATIONGRANULARITY
        window = mmap.mmap(self.stream.fileno(), ahead + length, access=mmap.ACCESS_READ, offset=start - ahead)
        return np.frombuffer(window, np.uint8, length, ahead)

    def _charge(self, start: int, length: int) -> None:
        self.allowance -= length
        if not 0 <= start <= start + length <= self.size:
            raise InputError("damaged or cut short: weights in it lie beyond its end, fetch it again")
        if self.allowance < 0:
            raise InputError("refused: its tensors claim the same bytes again and again")


def allocate(length: int) -> Tensor:
    """Take memory: -> [length] uint8, its pages at once where the system can, in half the time."""
    if length < LARGE or not sys.platform.startswith("linux"):
        return torch.empty(length, dtype=torch.uint8)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    return torch.frombuffer(mmap.mmap(-1, length, flags=flags), dtype=torch.uint8)


class HeldBytes:
    """Bytes in memory, read like a file's."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    @property
    def span(self) -> Span:
        """All of them."""
        return Span(self, 0, len(self.content))

    def read(self, start: int, length: int) -> Tensor:
        """Copy some: -> [length] uint8."""
        part = bytearray(self.content[start : start + length])
        return torch.frombuffer(part, dtype=torch.uint8) if part else torch.empty(0, dtype=torch.uint8)


@dataclass(frozen=True)
class Span:
    """A stretch of bytes that has not been read yet."""

    file: WeightFile | HeldBytes
    start: int
    length: int

    def __len__(self) -> int:
        return self.length

    def read(self, start: int, length: int) -> Tensor:
        """Read a part of it: -> [length] uint8."""
        return self.file.read(self.cut(start, length).start, length)

    def look(self) -> np.ndarray:
        """Look at all of it, where it lies if it is long: -> [length] uint8, to be copied rather than kept."""
        if isinstance(self.file, HeldBytes) or self.length < LARGE:
            return self.read(0, self.length).numpy()
        return self.file.look(self.start, self.length)

    def cut(self, start: int, length: int) -> Span:
        """Return a part of it."""
        if not 0 <= start <= start + length <= self.length:
            raise InputError("damaged: a tensor in it does not fit its storage")
        return Span(self.file, self.start + start, length)


@dataclass(frozen=True)
class Text:
    """A stretch of text that has not been read yet, in UTF-8."""

    span: Span

    def read(self) -> str:
        """Decode it; raises UnicodeError."""
        return str(self.span.read(0, len(self.span)).numpy().data, "utf-8")


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that has not been read yet: a shape laid over numbers of one kind."""

    numbers: Span
    dtype: torch.dtype
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @classmethod
    def lay_out(cls, numbers: Span, dtype: torch.dtype, size: Sequence[int]) -> Self:
        """Describe a tensor whose numbers lie in the order of its axes."""
        stride = list(itertools.accumulate(reversed(size[1:]), operator.mul, initial=1))[::-1]
        return cls(numbers, dtype, 0, tuple(size), tuple(stride[: len(size)]))

    def read(self) -> Tensor:
        """Read the tensor and no more of its storage than it covers: -> [*size]."""
        try:
            steps = [(n - 1) * step for n, step in zip(self.size, self.stride, strict=True)]
            extent = 1 + sum(steps) if min(self.size, default=1) > 0 else 0
            width = self.dtype.itemsize
            flat = self.numbers.read(self.offset * width, extent * width).view(self.dtype)
            return flat.as_strided(self.size, self.stride)
        except InputError:
            raise
        except (RuntimeError, TypeError, ValueError) as error:
            raise InputError("damaged: a tensor in it does not fit its storage") from error
