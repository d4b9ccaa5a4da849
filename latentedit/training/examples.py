"""What a predictor learns from: pictures opened at their turn, scores from 0 to 1, tokens of descriptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.datasets import Dataset
from latentedit.datasets.crops import Cropping
from latentedit.photographs import to_images

RESOLUTION = 256  # pixels: what pictures are opened at
LARGEST_HELD = 2**31  # bytes of pictures that are kept once they were opened, and of their features
CHUNK = 32  # images described at once


@dataclass
class Examples:
    """Rows of a data set; `words` are tensors [N, ...] that the network takes beside the picture, such as tokens."""

    dataset: Dataset
    cropping: Cropping
    words: tuple[Tensor, ...] = ()
    resolution: int = RESOLUTION
    held: dict[int, Tensor] = field(default_factory=dict, repr=False)
    described: Tensor | None = field(default=None, repr=False)

    @cached_property
    def scores(self) -> Tensor:
        """The scores by the data set's stated range, not by a split's least and largest: -> [N] in 0 to 1."""
        low, high = self.dataset.range
        return (torch.from_numpy(self.dataset.scores).float() - low) / (high - low)

    def load(self, rows: Sequence[int]) -> Tensor:
        """Open pictures: -> [len(rows), 3, R, R] in [-1, 1]."""
        return to_images(torch.stack([self._open(row) for row in rows]))

    def recall(self, rows: Sequence[int], describe: Callable[[Tensor], Tensor]) -> Tensor:
        """Describe pictures, all at the first call in their order, so that every run rounds alike: -> [len(rows), D].

        Features of all that would be too large to keep are made anew.
        """
        if self.described is None:
            count = len(self.dataset.images)
            if count * describe(self.load([0])).nbytes > LARGEST_HELD:
                return describe(self.load(rows))
            parts = (range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))
            self.described = torch.cat([describe(self.load(part)) for part in parts])
        return self.described[list(rows)]

    def _open(self, row: int) -> Tensor:
        if row in self.held:
            return self.held[row]
        pixels = self.cropping.load(self.dataset.images[row], self.resolution)
        if len(self.held) * pixels.nbytes < LARGEST_HELD:
            self.held[row] = pixels
        return pixels


def vary(images: Tensor, flip: bool, rotation: float) -> Tensor:
    """Mirror half of the images and turn each by up to `rotation` degrees, black entering: [N, 3, H, W] -> same."""
    if flip:
        mirrored = torch.rand(len(images)) < 0.5
        images = torch.where(mirrored[:, None, None, None].to(images.device), images.flip(3), images)
    if not rotation:
        return images
    angles = torch.deg2rad((torch.rand(len(images)) * 2 - 1) * rotation)
    cosines, sines, zeros = angles.cos(), angles.sin(), torch.zeros(len(images))
    turns = torch.stack([cosines, -sines, zeros, sines, cosines, zeros], dim=1).reshape(-1, 2, 3).to(images)
    grid = F.affine_grid(turns, list(images.shape), align_corners=False)
    return F.grid_sample(images + 1, grid, align_corners=False) - 1
