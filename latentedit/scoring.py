"""Images to numbers: what every scorer promises, and scoring many images in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import InputError
from latentedit.networks import Generator
from latentedit.rendering import RENDERINGS, render


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


class RenderedScorer:
    """Score faces as they are shown: the whole image (`square`), or the face in an ellipse on white (`oval`)."""

    def __init__(self, scorer: Scorer, rendering: str) -> None:
        if rendering not in RENDERINGS:
            raise InputError(f"rendering {rendering!r} is not known: choose one of {', '.join(RENDERINGS)}")
        self.scorer, self.rendering = scorer, RENDERINGS[rendering]
        self.name, self.range = scorer.name, scorer.range

    def __call__(self, images: Tensor) -> Tensor:
        """Score images: [..., 3, H, W] in [-1, 1] -> [...]."""
        return self.scorer(self.rendering(images))


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


@torch.no_grad()
def score_faces(
    generator: Generator,
    scorer: Scorer,
    ws: Tensor,
    renderings: Sequence[str] = ("square",),
    chunk: int = 32,
    quiet: bool = True,
) -> Tensor:
    """Render and score latents in bounded memory: ws [N, num_ws, w_dim] -> [N, len(renderings)].

    `renderings` are those of RenderedScorer, each in turn.
    """
    scorers = [RenderedScorer(scorer, name) for name in renderings]
    bar = tqdm(range(0, len(ws), chunk), desc=f"scoring {scorer.name}", unit="chunk", disable=quiet)
    rows = []
    for i in bar:
        images = render(generator, ws[i : i + chunk])
        rows.append(torch.stack([rendered(images) for rendered in scorers], dim=1))
    return torch.cat(rows)
