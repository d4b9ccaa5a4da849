"""What makes images alike: rows of numbers by name of what looks at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from latentedit.evaluation.similarity import describe_coarsely
from latentedit.explanation.layers import Explained, choose_layers, tapped, to_maps
from latentedit.predictors import load_assessor, load_scorer
from latentedit.predictors.predictor import Framing

EMBEDDINGS = ("looks", "ratings")


@dataclass(frozen=True)
class Embedding:
    """A way to describe images: [N, 3, H, W] in [-1, 1] -> [N, D]."""

    name: str
    describe: Callable[[Tensor], Tensor]
    framing: Framing = "square"

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        return self.describe(images).float().cpu()


def load_embedding(name: str = "looks") -> Embedding:
    """Load an embedding: `looks` are 540 coarse gradients and colours, `ratings` all that `omi` rates.

    Any other name is a predictor's, as of `load_scorer`: the last of its layers that reaches the score, averaged over
    the image.
    """
    if name == "looks":
        return Embedding(name, describe_coarsely)
    if name == "ratings":
        assessor = load_assessor("omi")
        return Embedding(name, lambda images: assessor(images) / 100 - 0.5)
    explained = Explained(load_scorer(name))
    return Embedding(name, lambda images: _average(explained, images), explained.framing)


def _average(explained: Explained, images: Tensor) -> Tensor:
    """Average a network's answer over places: -> [N, channels]."""
    layers = choose_layers(explained, images[0])
    with tapped(explained.network, layers) as seen:
        explained(images)
    return torch.cat([to_maps(seen[name]).mean(dim=(2, 3)) for name in layers], dim=1)
