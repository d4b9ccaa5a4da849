"""Image files to tensors."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from latentedit.errors import InputError

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}
LARGEST = 100_000_000  # pixels: a larger file is a mistake or an attack


def list_images(paths: Iterable[Path]) -> list[Path]:
    """List image files: files as given, folders with all below them in the order of their paths; at least one each."""
    return [image for path in paths for image in (_list_folder(path) if path.is_dir() else [path])]


def _list_folder(folder: Path) -> list[Path]:
    files = [Path(parent, name) for parent, _, names in os.walk(folder, followlinks=True) for name in names]
    images = sorted(path for path in files if path.suffix.lower() in SUFFIXES)
    if not images:
        raise InputError(f"{folder} holds no image: name a folder with {', '.join(sorted(SUFFIXES))} files")
    return images


def load_square(path: Path, resolution: int) -> Tensor:
    """Read an image upright, crop its central square and resize: -> uint8 [3, R, R]."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > LARGEST:
                raise InputError(f"{path} has {image.width} x {image.height} pixels: shrink it to {LARGEST:,} at most")
            rgb = ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} can't be read as an image ({error}): give a PNG or JPEG") from error
    side = min(rgb.size)
    left, top = (rgb.width - side) // 2, (rgb.height - side) // 2
    square = rgb.crop((left, top, left + side, top + side)).resize((resolution, resolution), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)


def to_images(pixels: Tensor) -> Tensor:
    """Scale pixels to the range of renderings: uint8 [..., 3, H, W] -> float [..., 3, H, W] in [-1, 1]."""
    return pixels.float() / 127.5 - 1
