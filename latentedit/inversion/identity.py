"""How much of a person an edit leaves, and how far it may go for that to last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.errors import InputError, about
from latentedit.predictors.face_regressor import BACKBONES
from latentedit.predictors.identity_weights import FaceNetwork, load_identities
from latentedit.predictors.structure import ms_ssim
from latentedit.predictors.vgg_face import VGG16
from latentedit.rendering import FACE_BOX

SIDE = 224  # pixels that face networks see
STEPS, HALVINGS = 8, 6  # on the way to the wanted alpha, and of the step that goes too far


@dataclass(frozen=True, eq=False)
class Likeness:
    """A measure of how alike two faces are, [N, 3, R, R] twice in [-1, 1] -> [N], 1 for equal ones; and its name."""

    name: str
    measure: Callable[[Tensor, Tensor], Tensor]


def load_likeness(path: Path | None = None) -> Likeness:
    """Choose a likeness: the cosine of features of the face network in a file, or MS-SSIM, which needs no weights.

    The file is of VGGFace's VGG16 or VGGFace2's ResNet-50 or SENet-50, as keras-vggface or a PyTorch port wrote it.
    """
    if path is None:
        return Likeness("MS-SSIM", ms_ssim)
    name, network = _load_network(path)
    return Likeness(f"cosine of {name}", lambda a, b: F.cosine_similarity(_see(network, a), _see(network, b)))


def _load_network(path: Path) -> tuple[str, FaceNetwork]:
    """Try each network on a file; the first whose tensors it holds is the one."""
    with about(path):
        if not path.is_file():
            raise InputError("is no file: give the weights of a face network, or leave --identity out")
        for name, kind in BACKBONES.items():
            with torch.device("meta"):  # which the file's weights replace
                network = kind()
            try:
                load_identities(network, path)
            except InputError:
                continue
            if isinstance(network, VGG16) and network.fc7.weight.is_meta:
                raise InputError("holds VGG16 without its dense layers, which tell people apart: give all of it")
            return name, network.eval().requires_grad_(False)
        raise InputError(f"holds the weights of none of {', '.join(BACKBONES)}: give those of VGGFace or VGGFace2")


@torch.no_grad()
def _see(network: FaceNetwork, images: Tensor) -> Tensor:
    """Describe the face within FFHQ's frame: [N, 3, R, R] -> [N, F]."""
    left, top, right, bottom = (round(place * images.shape[-1]) for place in FACE_BOX)
    faces = F.interpolate(images[..., top:bottom, left:right].cpu(), (SIDE, SIDE), mode="bicubic").clamp(-1, 1)
    return network.pooled_features(network.normalise((faces + 1) * 127.5))


@dataclass(frozen=True)
class Kept:
    """How far one face goes, and how like it then still is to the face before."""

    alpha: float
    likeness: float
    is_cut: bool  # short of the wanted alpha


def keep_likeness(show: Callable[[Sequence[float]], Tensor], likeness: Likeness, least: float, alpha: float) -> Kept:
    """Find the largest share of an alpha up to which a face stays like itself: -> Kept.

    `show` renders alphas of one face, [num_alphas, 3, H, W]. The likeness to alpha 0 must not be below
    `least` at any of eight steps on the way; the step that goes too far is halved six times.
    """
    if not -1 <= least <= 1:
        raise InputError(f"likeness {least:g}: give a number from -1 to 1, which is for equal faces")
    origin = show([0.0])

    def measure(alphas: Sequence[float]) -> list[float]:
        images = show(alphas)
        values: list[float] = likeness.measure(origin.expand_as(images), images).tolist()
        return values

    steps = [alpha * i / STEPS for i in range(STEPS + 1)]
    values = measure(steps)
    last = next((i for i, value in enumerate(values) if value < least), STEPS + 1) - 1
    if last == STEPS:
        return Kept(alpha, values[-1], is_cut=False)
    if last < 0:
        return Kept(0.0, values[0], is_cut=True)
    best, low, high = values[last], steps[last], steps[last + 1]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        (value,) = measure([middle])
        low, high, best = (middle, high, value) if value >= least else (low, middle, best)
    return Kept(low, best, is_cut=True)
