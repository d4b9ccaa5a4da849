"""Folders of photographs as one tensor, and batches drawn from it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import InputError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def list_images(folder: Path) -> list[Path]:
    """List every image in the folder and below it, in the order of their paths; at least one."""
    files = [Path(parent, name) for parent, _, names in os.walk(folder, followlinks=True) for name in names]
    paths = sorted(path for path in files if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise InputError(f"{folder} holds no image: name a folder with {', '.join(sorted(SUFFIXES))} files")
    return paths


def load_images(folders: Sequence[Path], resolution: int, quiet: bool = False) -> Tensor:
    """Read every image in the folders, cropped to its central square: -> uint8 [N, 3, R, R]."""
    paths = [path for folder in folders for path in list_images(folder)]
    rows = [load_square(path, resolution) for path in tqdm(paths, desc="reading images", disable=quiet)]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).contiguous()


def load_square(path: Path, resolution: int) -> np.ndarray:
    """Read one image, crop its central square and resize: -> uint8 [R, R, 3]."""
    try:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"{path} can't be read as an image ({error}): remove it or mend it") from error
    side = min(rgb.size)
    left, top = (rgb.width - side) // 2, (rgb.height - side) // 2
    square = rgb.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((resolution, resolution), Image.Resampling.LANCZOS))


def draw_batch(images: Tensor, batch: int) -> Tensor:
    """Draw images at random, half of them mirrored: uint8 [N, 3, R, R] -> [batch, 3, R, R] in [-1, 1]."""
    rows = images[torch.randint(len(images), [batch])].float() / 127.5 - 1
    mirrored = torch.rand(batch) < 0.5
    rows[mirrored] = rows[mirrored].flip(3)
    return rows
