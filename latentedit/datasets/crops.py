"""What of a picture a predictor sees: its central square, all of it squeezed, a face's box, or an oval in that box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from latentedit.datasets.rated import RatedImage
from latentedit.datasets.tables import find_column, parse_column, read_csv
from latentedit.errors import InputError
from latentedit.inversion.detection import Detector, find_faces
from latentedit.photographs import crop_square, squeeze, to_tensor

Crop = Literal["square", "whole", "box", "oval"]
CROPS: tuple[Crop, ...] = ("square", "whole", "box", "oval")
Box = tuple[float, float, float, float]  # left, top, width, height in pixels
FindBox = Callable[[str, Image.Image], Box]  # an image's name and its pixels -> the face's box
WHITE = 255


@dataclass(frozen=True)
class Cropping:
    """How pictures are cropped: `box` and `oval` take what `find` says, widened by `margin` of each side.

    The memorability paper's ovals imitate the 10k US Adult Faces: an ellipse that fills the box, white around it.
    """

    crop: Crop = "square"
    find: FindBox | None = None
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.crop in ("box", "oval") and self.find is None:
            raise InputError(f"crop {self.crop!r} needs the faces' boxes: give a table of them, or a detector")

    def load(self, image: RatedImage, resolution: int) -> Tensor:
        """Open and crop an image: -> uint8 [3, R, R]."""
        picture = image.picture.open()
        if self.crop == "square":
            return crop_square(picture, resolution)
        if self.find is not None and self.crop in ("box", "oval"):
            picture = picture.crop(widen(self.find(image.name, picture), self.margin))
        pixels = squeeze(picture, resolution)
        return pixels if self.crop != "oval" else cut_oval(pixels)


def widen(box: Box, margin: float) -> tuple[int, int, int, int]:
    """Widen a box by a share of its sides and round it: -> left, top, right, bottom; outside the picture is black."""
    left, top, width, height = box
    x, y = margin * width, margin * height
    return round(left - x), round(top - y), round(left + width + x), round(top + height + y)


def cut_oval(pixels: Tensor) -> Tensor:
    """Turn what lies outside the ellipse that fills the picture white: uint8 [3, H, W] -> same."""
    x, y = (torch.linspace(-1 + 1 / n, 1 - 1 / n, n) for n in (pixels.shape[-1], pixels.shape[-2]))
    inside = x.square() + y.square()[:, None] <= 1
    return torch.where(inside, pixels, WHITE)


def read_boxes(path: Path) -> FindBox:
    """Read the boxes that any detector found: a CSV of image, left, top, width, height in pixels."""
    rows = read_csv(path)
    names = [row[find_column(path, rows, ["image", "path"])] for row in rows]
    sides = [parse_column(path, rows, find_column(path, rows, [side])) for side in ("left", "top", "width", "height")]
    boxes: dict[str, Box] = dict(zip(names, zip(*sides, strict=True), strict=True))

    def find(name: str, _picture: Image.Image) -> Box:
        if name not in boxes or min(boxes[name][2:]) <= 0:
            raise InputError(f"{path} has no box for {name}: add a row for it")
        return boxes[name]

    return find


def find_boxes(detector: Detector) -> FindBox:
    """Find the largest face of a picture by a detector such as YuNet."""

    def find(name: str, picture: Image.Image) -> Box:
        faces = find_faces(to_tensor(picture), detector)
        if not faces:
            raise InputError(f"{name} shows no face: leave it out, or give its box in a table")
        return faces[0].box

    return find
