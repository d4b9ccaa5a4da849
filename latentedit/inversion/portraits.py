"""Portraits: a photograph with one of its faces found and aligned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentedit.errors import InputError, about
from latentedit.inversion.alignment import Alignment, align, crop_face
from latentedit.inversion.detection import Face, find_faces, load_detector
from latentedit.inversion.landmarks import read_landmarks
from latentedit.photographs import load_photograph, to_images


@dataclass(frozen=True, eq=False)
class Portrait:
    """A photograph uint8 [3, H, W], and where one of its faces lies."""

    path: Path
    photograph: Tensor
    alignment: Alignment
    landmarks: Tensor | None = None
    num_faces: int | None = None

    def crop(self, resolution: int) -> Tensor:
        """Cut the face out as generators know faces: -> [3, R, R] in [-1, 1]."""
        return to_images(crop_face(self.photograph, self.alignment, resolution))

    def describe(self) -> dict[str, Any]:
        """Say where the face lies, fit for JSON."""
        return {
            "photograph": str(self.path),
            "faces": self.num_faces,
            "landmarks": None if self.landmarks is None else self.landmarks.tolist(),
            "alignment": self.alignment.to_dict(),
        }


def open_portraits(
    paths: list[Path], detector: Path | None = None, landmarks: Path | None = None, face: int = 1
) -> list[Portrait]:
    """Open photographs and align a face of each: the largest, the `face`th, or the one of a file of landmarks.

    Raises InputError, one line that names the file, for a photograph without such a face.
    """
    if landmarks is not None:
        points = read_landmarks(landmarks, paths)
        return [_align(path, load_photograph(path), p) for path, p in zip(paths, points, strict=True)]
    look = load_detector(detector)
    portraits = []
    for path in paths:
        photograph = load_photograph(path)
        faces = find_faces(photograph, look)
        with about(path):
            chosen = _choose(faces, face)
        portraits.append(_align(path, photograph, chosen.landmarks, len(faces)))
    return portraits


def open_aligned(paths: list[Path]) -> list[Portrait]:
    """Open pictures that are aligned already, as FFHQ's own: the crop is the central square."""
    return [_take_square(path, load_photograph(path)) for path in paths]


def _take_square(path: Path, photograph: Tensor) -> Portrait:
    height, width = photograph.shape[1:]
    side = min(height, width)
    origin = ((width - side) / 2, (height - side) / 2)
    return Portrait(path, photograph, Alignment(origin, (side, 0), (0, side), (width, height)))


def _choose(faces: list[Face], face: int) -> Face:
    """Take the largest face but `face` - 1."""
    if not faces:
        raise InputError("no face is seen in it: turn it upright, give another, or your own --landmarks")
    if face > len(faces):
        raise InputError(f"--face {face}: {len(faces)} faces are seen in it, the largest is 1")
    return faces[face - 1]


def _align(path: Path, photograph: Tensor, landmarks: Tensor, num_faces: int | None = None) -> Portrait:
    with about(path):
        alignment = align(landmarks, (photograph.shape[2], photograph.shape[1]))
    return Portrait(path, photograph, alignment, landmarks, num_faces)


def stack_crops(portraits: list[Portrait], resolution: int) -> Tensor:
    """Cut the faces out: -> [N, 3, R, R] in [-1, 1]."""
    return torch.stack([portrait.crop(resolution) for portrait in portraits])
