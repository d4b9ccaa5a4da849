"""Images to numbers: what every scorer promises, and scoring many images in bounded memory."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import InputError


class Scorer(Protocol):
    """Anything that gives each image one number."""

    @property
    def name(self) -> str:
        """What the scores are called in reports, e.g. `omi:memorable`."""

    @property
    def range(self) -> tuple[float, float]:
        """The scale that the scores are meant for; a score may fall outside it."""

    def __call__(self, images: Tensor) -> Tensor:
        """Score images: [..., 3, H, W] in [-1, 1] -> [...]."""


@torch.no_grad()
def score(scorer: Scorer, images: Tensor, chunk: int = 32, quiet: bool = True) -> Tensor:
    """Score images without gradients: [..., 3, H, W] in [-1, 1] -> [...].

    Peak memory is bounded by `chunk` images; `quiet=False` shows a progress bar.
    """
    flat = images.reshape(-1, *images.shape[-3:])
    if len(flat) == 0:
        raise InputError(f"no images to score: shape {list(images.shape)} is empty")
    starts = tqdm(range(0, len(flat), chunk), desc=f"scoring {scorer.name}", disable=quiet)
    scores = torch.cat([scorer(flat[i : i + chunk]) for i in starts])
    return scores.reshape(images.shape[:-3])
