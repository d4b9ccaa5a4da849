"""A network that gives each image one number, and the same looked at as a scorer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentedit.errors import InputError

Framing = Literal["square", "whole"]  # how a photograph is brought to a square: cropped, or squeezed


class Predictor(nn.Module):
    """Give each image one number: scores [N] = network(network.preprocess(images [N, 3, H, W] in [-1, 1])).

    `preprocess` is what the original does to a picture, as tensors, so that gradients reach the images;
    `forward` takes its result alone, so that a training may change it on the way.
    """

    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    framing: ClassVar[Framing] = "square"
    floor: ClassVar[float | None] = None  # below it the original's scores hardly go, whatever the image
    licence: ClassVar[str] = "that of the weights' authors"
    link: ClassVar[Literal["linear", "sigmoid"]] = "sigmoid"  # what makes a score of the last layer's answer
    is_frozen: ClassVar[bool] = False  # `preprocess` gives features that no training changes

    @property
    def starts(self) -> dict[str, Callable[[Path], None]]:
        """The parts that may start from weights of others, and what fills each from a file."""
        return {}

    def start_from(self, paths: Mapping[str, Path]) -> None:
        """Fill parts, by name, from files of weights that were learned elsewhere."""
        for name, path in paths.items():
            if name not in self.starts:
                raise InputError(f"{name}={path}: the parts that may start from a file are {self._name_starts()}")
            self.starts[name](path)

    def _name_starts(self) -> str:
        return ", ".join(self.starts) or "none here, leave it out"

    def blank_words(self, count: int) -> tuple[Tensor, ...]:
        """Make what stands for no words, as large as `forward` reads beside images: -> [count, ...] each, if any."""
        return ()

    def preprocess(self, images: Tensor) -> Tensor:
        """Bring images to what the network was trained on: [N, 3, H, W] in [-1, 1] -> the argument of `forward`."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class PredictorScorer:
    """Score images with a network: [..., 3, H, W] in [-1, 1] -> [...]; `words` go with images [N, 3, H, W]."""

    name: str
    network: Predictor

    @property
    def range(self) -> tuple[float, float]:
        return self.network.range

    @property
    def framing(self) -> Framing:
        return self.network.framing

    @property
    def floor(self) -> float | None:
        return self.network.floor

    @property
    def reads_words(self) -> bool:
        return len(self.network.blank_words(1)) > 0

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def interval(self, scores: Tensor) -> None:
        """Nobody has said how far people's own scores lie from these."""

    def __call__(self, images: Tensor, *words: Tensor) -> Tensor:
        if images.ndim < 3 or images.shape[-3] != 3:
            raise InputError(f"images of shape {list(images.shape)}: give [..., 3, H, W]")
        flat = images.reshape(-1, *images.shape[-3:]).to(self.device)
        scores: Tensor = self.network(self.network.preprocess(flat), *(part.to(self.device) for part in words))
        return scores.reshape(images.shape[:-3])


def resize(images: Tensor, height: int, width: int | None = None) -> Tensor:
    """Resize as Pillow's bilinear filter does, without its rounding: [N, 3, H, W] -> [N, 3, height, width]."""
    size = (height, width or height)
    if images.shape[-2:] == size:
        return images
    return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)


def crop_centre(images: Tensor, side: int) -> Tensor:
    """Cut out the central square: [N, 3, H, W] -> [N, 3, side, side]."""
    top, left = ((length - side) // 2 for length in images.shape[-2:])
    return images[..., top : top + side, left : left + side]
