"""Folders of photographs as one tensor, and batches drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.photographs import list_images, load_square, to_images


def load_images(paths: Sequence[Path], resolution: int, quiet: bool = False) -> Tensor:
    """Read every image in the folders, cropped to its central square: -> uint8 [N, 3, R, R]."""
    bar = tqdm(list_images(paths), desc="reading images", unit="img", disable=quiet)
    return torch.stack([load_square(path, resolution) for path in bar])


def draw_batch(images: Tensor, batch: int) -> Tensor:
    """Draw images at random, half of them mirrored: uint8 [N, 3, R, R] -> [batch, 3, R, R] in [-1, 1]."""
    rows = to_images(images[torch.randint(len(images), [batch])])
    mirrored = torch.rand(batch) < 0.5
    rows[mirrored] = rows[mirrored].flip(3)
    return rows
