"""The network behind a scorer, and what its layers answer, as maps over the image."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentedit.errors import InputError
from latentedit.predictors.attributes import Assessor, AttributeScorer, suggest
from latentedit.predictors.features import GradientFeatures
from latentedit.predictors.patches import PatchFeatures
from latentedit.predictors.predictor import Framing, PredictorScorer
from latentedit.scoring import Scorer

Frame = tuple[int, int, int, int]  # top, left, height and width in pixels of the image


class Explained(nn.Module):
    """A copy of a scorer that is looked into: images [N, 3, H, W] in [-1, 1] -> scores [N], with layers by name.

    `network` is what has the layers: of an attribute the assessor, of a predictor the predictor, else the scorer
    itself where it is a module. The bundled assessors' blocks of features appear as layers too.
    """

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.scorer: Scorer = scorer
        self.network = nn.Module()
        match scorer:
            case AttributeScorer(assessor=nn.Module() as assessor):
                self.network = _with_maps(copy.deepcopy(assessor))
                self.scorer = replace(scorer, assessor=cast(Assessor, self.network))
            case PredictorScorer():
                self.network = copy.deepcopy(scorer.network)
                self.scorer = replace(scorer, network=self.network)
            case nn.Module():
                self.network = self.scorer = copy.deepcopy(scorer)
        self.eval().requires_grad_(False)

    @property
    def name(self) -> str:
        return self.scorer.name

    @property
    def range(self) -> tuple[float, float]:
        return self.scorer.range

    @property
    def framing(self) -> Framing:
        """How a photograph is brought to what the scorer takes."""
        return cast(Framing, getattr(self.scorer, "framing", "square"))

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next((tensor.device for tensor in self.network.state_dict().values()), torch.device("cpu"))

    def forward(self, images: Tensor) -> Tensor:
        return self.scorer(images.to(self.device))


class _Maps(nn.Module):
    """Features of a face whose blocks [N, F] pass through layers as maps [N, C, h, w]."""

    def __init__(self, features: GradientFeatures | PatchFeatures) -> None:
        super().__init__()
        self.features, self.config, self.shapes = features, features.config, _list_blocks(features)
        for name in self.shapes:
            self.add_module(name, nn.Identity())

    def forward(self, images: Tensor) -> list[Tensor]:
        blocks = zip(self.shapes.items(), self.features(images), strict=True)
        return [self.get_submodule(name)(block.unflatten(1, shape)).flatten(1) for (name, shape), block in blocks]


def _list_blocks(features: GradientFeatures | PatchFeatures) -> dict[str, tuple[int, int, int]]:
    """Name the blocks of features, each with its channels, height and width."""
    if isinstance(features, PatchFeatures):
        side = features.config.regions
        return {"regions": (4 * features.config.num_filters, side, side)}
    config = features.config
    sides = {
        f"octave{octave}_cell{cell}": config.img_resolution // cell - 1
        for octave in range(config.octaves)
        for cell in config.cells
    }
    colour = config.colour_resolution
    return {name: (12 * config.num_orientations, side, side) for name, side in sides.items()} | {
        "colour": (3, colour, colour)
    }


def _with_maps(assessor: nn.Module) -> nn.Module:
    features = getattr(assessor, "features", None)
    if isinstance(features, GradientFeatures | PatchFeatures):
        assessor.features = _Maps(features)
    return assessor


@contextmanager
def tapped(network: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Yield a dictionary that every forward fills with what those of the layers answer that `as_maps` takes."""
    seen: dict[str, Tensor] = {}

    def keep(name: str, answer: Any) -> Tensor | None:
        first = answer[0] if isinstance(answer, tuple) else answer
        if as_maps(first) is None:
            return None
        seen[name] = first
        return first.clone() if first is answer else None  # the next layer may act in place

    with ExitStack() as stack:
        for name in layers:
            hook = network.get_submodule(name).register_forward_hook(
                lambda module, given, answer, name=name: keep(name, answer)
            )
            stack.callback(hook.remove)
        yield seen


def to_maps(answer: Tensor) -> Tensor:
    """Lay a layer's answer out that is known to be maps: -> [N, C, h, w]."""
    maps = as_maps(answer)
    assert maps is not None
    return maps


def as_maps(answer: object) -> Tensor | None:
    """Lay a layer's answer out over the image: [N, C, h, w], or tokens [N, L, D] -> [N, D, h, w]; else None.

    A class token in front of h = w patches is left out.
    """
    if not isinstance(answer, Tensor) or answer.ndim not in (3, 4):
        return None
    if answer.ndim == 3:
        side = math.isqrt(answer.shape[1])
        extra = answer.shape[1] - side**2
        if extra > 1:
            return None
        answer = answer[:, extra:].transpose(1, 2).reshape(len(answer), -1, side, side)
    return answer if min(answer.shape[2:]) > 1 else None


@torch.no_grad()
def list_layers(explained: Explained, image: Tensor) -> dict[str, tuple[int, ...]]:
    """Name the layers that answer maps, in the order of their work, with channels, height and width.

    `image` is any [3, H, W] that the scorer takes.
    """
    names = [name for name, _ in explained.network.named_modules() if name]
    with tapped(explained.network, names) as seen:
        explained(image[None])
    return {name: tuple(to_maps(answer).shape[1:]) for name, answer in seen.items()}


def choose_layers(explained: Explained, image: Tensor, layer: str | None = None) -> tuple[str, ...]:
    """Take the layer of this name; by default the last that reaches the score, of `omi` all blocks of gradients.

    Raises InputError, which names the nearest ones, for a name that is none or answers no maps.
    """
    known = list_layers(explained, image)
    if not known:
        raise InputError(f"{explained.name} has no layer that answers maps: choose a method that needs none")
    if layer is None:
        gradients = tuple(name for name in known if name.startswith("features.octave"))
        return gradients or (_find_last(explained, image, list(known)),)
    if layer not in known:
        raise InputError(f"{explained.name} has no layer {layer!r} that answers maps: {suggest(layer, list(known))}")
    return (layer,)


def _find_last(explained: Explained, image: Tensor, known: list[str]) -> str:
    """Find the last layer whose places reach the score: of a transformer's last, only the class token does."""
    with torch.enable_grad(), tapped(explained.network, known) as seen:
        score = explained(image[None].detach().clone().requires_grad_()).sum()
        gradients = torch.autograd.grad(score, [seen[name] for name in known], allow_unused=True)
    reaching = [name for name, g in zip(known, gradients, strict=True) if g is not None and to_maps(g).any()]
    if not reaching:
        raise InputError(f"{explained.name} gives no gradient to any layer: choose a method that needs none")
    return reaching[-1]


def find_frame(explained: Explained, images: Tensor) -> Frame:
    """Find the part of an image that reaches the network: some predictors cut the margin off."""
    preprocess = getattr(explained.network, "preprocess", None)
    height, width = images.shape[-2:]
    if preprocess is None:
        return 0, 0, height, width
    probe = images[:1].detach().clone().requires_grad_()
    (reach,) = torch.autograd.grad(preprocess(probe).square().sum() + preprocess(probe).sum(), probe)
    used = reach[0].abs().sum(dim=0) > 0
    rows, columns = (used.any(dim=axis).nonzero()[:, 0].tolist() for axis in (1, 0))
    return rows[0], columns[0], rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1


def lay_over(maps: Tensor, frame: Frame, size: Sequence[int]) -> Tensor:
    """Spread maps over the part of the image that they are about, with their sums kept: [N, h, w] -> [N, H, W]."""
    top, left, height, width = frame
    share = maps.shape[1] * maps.shape[2] / (height * width)
    large = F.interpolate(maps[:, None], (height, width), mode="bilinear", align_corners=False)[:, 0] * share
    return F.pad(large, (left, size[1] - left - width, top, size[0] - top - height))
