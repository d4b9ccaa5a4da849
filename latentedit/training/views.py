"""What rendering and saving do to a face without changing who is seen: mirrored, shifted, made small, compressed."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from latentedit.photographs import to_images
from latentedit.pictures import to_pil

View = Callable[[Tensor], Tensor]
QUALITY = 75  # of JPEG


def unchanged(images: Tensor) -> Tensor:
    """Look at faces as they are."""
    return images


def compress(images: Tensor) -> Tensor:
    """Save as JPEG and read again: [N, 3, H, W] -> [N, 3, H, W]."""
    return to_images(torch.stack([_through_jpeg(to_pil(image)) for image in images]))


def _through_jpeg(picture: Image.Image) -> Tensor:
    """Save a picture as JPEG and read its pixels: -> uint8 [3, H, W]."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)
    with Image.open(buffer) as saved:
        return torch.from_numpy(np.array(saved)).permute(2, 0, 1)


def shift(right: int, down: int) -> View:
    """Move faces by pixels and repeat the edge: [N, 3, H, W] -> [N, 3, H, W]."""
    margin = max(abs(right), abs(down))

    def view(images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        padded = F.pad(images, (margin,) * 4, mode="replicate")
        return padded[..., margin - down : margin - down + height, margin - right : margin - right + width]

    return view


def shrink(side: int) -> View:
    """Average pixels down to a smaller image: [N, 3, H, W] -> [N, 3, side, side]."""
    return lambda images: F.interpolate(images, size=(side, side), mode="area")


VIEWS: dict[str, View] = {  # of faces 256 px wide
    "mirrored": lambda images: images.flip(-1),
    "JPEG, quality 75": compress,
    "4 px to the right": shift(4, 0),
    "4 px to the left": shift(-4, 0),
    "4 px up": shift(0, -4),
    "4 px down": shift(0, 4),
    "128 px": shrink(128),
    "128 px, JPEG": lambda images: compress(shrink(128)(images)),
    "64 px": shrink(64),
    "64 px, JPEG": lambda images: compress(shrink(64)(images)),
}
EVERY = "64 px"  # learned from every face: small generators' size
DRAWN = ("JPEG, quality 75", "128 px, JPEG")  # by turns
