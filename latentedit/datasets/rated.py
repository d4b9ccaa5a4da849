"""Images that people rated: files or members of a ZIP, each with its score."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from latentedit.downloads.expectation import sha256_of
from latentedit.errors import InputError, about, damaged
from latentedit.files import require_regular
from latentedit.photographs import LARGEST_FILE, decode_picture, open_picture
from latentedit.statistics import Floats


class Picture(Protocol):
    """An image that may be opened."""

    def exists(self) -> bool:
        """Tell whether it is there."""

    def open(self) -> Image.Image:
        """Read it upright and in RGB."""

    def digest(self) -> str:
        """Hash its content, not its name: -> SHA-256 in hex."""


@dataclass(frozen=True)
class File:
    """An image file."""

    path: Path

    def exists(self) -> bool:
        return self.path.is_file()

    def open(self) -> Image.Image:
        return open_picture(self.path)

    def digest(self) -> str:
        with about(self.path):
            return sha256_of(self.path)


@dataclass(frozen=True)
class Member:
    """An image inside a ZIP."""

    archive: Path
    name: str

    def exists(self) -> bool:
        return self.name in list_members(self.archive)

    def open(self) -> Image.Image:
        return decode_picture(self._read(), f"{self.archive}, {self.name}")

    def digest(self) -> str:
        return hashlib.sha256(self._read()).hexdigest()

    def _read(self) -> bytes:
        return read_member(self.archive, self.name)


def read_member(archive: Path, name: str) -> bytes:
    """Read one file of a ZIP, none that would unpack to more than 256 MiB."""
    with about(archive), damaged("is damaged: fetch it again"), zipfile.ZipFile(archive) as opened:
        if opened.getinfo(name).file_size > LARGEST_FILE:
            raise InputError(f"{name} has more than {LARGEST_FILE >> 20} MiB: shrink it")
        return opened.read(name)


@cache
def list_members(archive: Path) -> frozenset[str]:
    """List what is in a ZIP."""
    require_regular(archive)
    with about(archive), damaged("is no ZIP: give a data set of NVIDIA's layout"), zipfile.ZipFile(archive) as opened:
        return frozenset(opened.namelist())


@dataclass(frozen=True)
class RatedImage:
    """An image with its score, and its split and categories where the data set has them."""

    name: str
    picture: Picture
    score: float
    split: str = ""
    category: str = ""
    subcategory: str = ""


@dataclass(frozen=True)
class Dataset:
    """Rated images in their table's order; `range` is the scale that their scores are stated on."""

    name: str
    target: str
    images: tuple[RatedImage, ...]
    range: tuple[float, float] = (0.0, 1.0)

    @property
    def scores(self) -> Floats:
        """The scores: -> [N]."""
        return np.array([image.score for image in self.images], dtype=np.float64)

    def select(self, split: str) -> Dataset:
        """Keep one split."""
        kept = tuple(image for image in self.images if image.split == split)
        if not kept:
            known = ", ".join(sorted({image.split for image in self.images} - {""})) or "none"
            raise InputError(f"split {split!r} has no image in {self.name}: its splits are {known}")
        return replace(self, images=kept)

    def assign(self, splits: Sequence[str]) -> Dataset:
        """Give each image a split."""
        pairs = zip(self.images, splits, strict=True)
        return replace(self, images=tuple(replace(image, split=split) for image, split in pairs))
