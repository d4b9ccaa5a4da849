"""Where the images that are scored come from: files, or the latents of a generator."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from torch import Tensor

from latentedit.errors import InputError
from latentedit.networks import Generator
from latentedit.photographs import list_images, load_square, load_squeezed, to_images
from latentedit.predictors.predictor import Framing
from latentedit.rendering import render

RESOLUTION = 256  # what photographs are brought to before a scorer sees them


class Source(Protocol):
    """Images in an order that stays."""

    @property
    def names(self) -> Sequence[str]:
        """What to call each of them."""

    def load(self, rows: range, framing: Framing) -> list[Tensor | InputError]:
        """Load some of them: -> [3, H, W] in [-1, 1] of one size, or why one can't be had."""


@dataclass(frozen=True)
class Photographs:
    """Image files, brought to 256 x 256 px: cropped to their central square, or squeezed whole."""

    paths: Sequence[Path]

    @cached_property
    def names(self) -> Sequence[str]:
        return [str(path) for path in self.paths]

    def load(self, rows: range, framing: Framing) -> list[Tensor | InputError]:
        return [self._load(self.paths[row], framing) for row in rows]

    @staticmethod
    def _load(path: Path, framing: Framing) -> Tensor | InputError:
        read = load_square if framing == "square" else load_squeezed
        try:
            return to_images(read(path, RESOLUTION))
        except InputError as error:
            return error


@dataclass(frozen=True)
class Renderings:
    """The images of latents ws [N, num_ws, w_dim], each rendered when its turn comes."""

    generator: Generator
    ws: Tensor
    names: Sequence[str]

    def load(self, rows: range, framing: Framing) -> list[Tensor | InputError]:
        return list(render(self.generator, self.ws[rows.start : rows.stop]))


def find_images(words: Iterable[str]) -> list[Path]:
    """Find image files: files as given, folders with all below them, and patterns such as `photos/**/*.png`."""
    return list_images(path for word in words for path in _expand(word))


def _expand(word: str) -> list[Path]:
    if not glob.has_magic(word) or Path(word).exists():
        return [Path(word)]
    paths = [Path(name) for name in sorted(glob.glob(word, recursive=True))]
    if not paths:
        raise InputError(f"{word!r} matches no file: check the pattern")
    return paths
