"""How alike two faces are: whether they show the same person, and how far apart they look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.errors import InputError
from latentedit.predictors.face_regressor import BACKBONES
from latentedit.predictors.identity_weights import FaceNetwork, load_identities
from latentedit.predictors.perception import LPIPS, TAPS
from latentedit.predictors.predictor import resize
from latentedit.predictors.reconstruction import load_lpips
from latentedit.predictors.structure import ms_ssim
from latentedit.predictors.vgg_face import VGG16
from latentedit.predictors.weights import obtain_weights
from latentedit.rendering import FACE_BOX

SIDE = 224  # pixels that face networks see
NETWORKS = ", ".join(BACKBONES)


@dataclass(frozen=True, eq=False)
class Likeness:
    """A measure of two sets of faces, [N, 3, R, R] twice in [-1, 1] -> [N], and its name."""

    name: str
    measure: Callable[[Tensor, Tensor], Tensor]


def load_likeness(address: str | None = None) -> Likeness:
    """Choose a measure that is 1 for equal faces: MS-SSIM, or the cosine of a face network's features.

    The networks, `vgg16`, `resnet50` and `senet50`, are VGGFace's and VGGFace2's. The address is such a name, whose
    published weights are downloaded at their first use; `resnet50=FILE`; or a file alone, as keras-vggface or a
    PyTorch port wrote it, which tells by its tensors which network it is of.
    """
    if address is None:
        return Likeness("MS-SSIM", ms_ssim)
    name, _, file = address.partition("=")
    if name not in BACKBONES:
        return _compare_people(*_recognise(Path(address)))
    path = Path(file) if file else obtain_weights(f"vggface-{name}")
    return _compare_people(name, _open(name, path))


def _recognise(path: Path) -> tuple[str, FaceNetwork]:
    """Try each network on a file; the first whose tensors it holds is the one."""
    if not path.is_file():
        raise InputError(f"{path} is neither a face network nor a file: give one of {NETWORKS}, or the file of one")
    for name in BACKBONES:
        try:
            return name, _open(name, path)
        except Foreign:
            continue
    raise InputError(f"{path} holds the weights of none of {NETWORKS}: give those of VGGFace or VGGFace2")


class Foreign(InputError):
    """A file is not of the network that it is tried on."""


def _open(name: str, path: Path) -> FaceNetwork:
    """Open a face network's file."""
    with torch.device("meta"):  # which the file's weights replace
        network = BACKBONES[name]()
    try:
        load_identities(network, path)
    except InputError as error:
        raise Foreign(str(error)) from error
    if isinstance(network, VGG16) and network.fc7.weight.is_meta:
        raise InputError(f"{path}: lacks layers that {name} tells people apart by, give the file with its top")
    return network.eval().requires_grad_(False)


def _compare_people(name: str, network: FaceNetwork) -> Likeness:
    return Likeness(f"cosine of {name}", lambda a, b: F.cosine_similarity(_see(network, a), _see(network, b)))


@torch.no_grad()
def _see(network: FaceNetwork, images: Tensor) -> Tensor:
    """Describe the face within FFHQ's frame: [N, 3, R, R] -> [N, F]."""
    left, top, right, bottom = (round(place * images.shape[-1]) for place in FACE_BOX)
    faces = resize(images[..., top:bottom, left:right].clamp(-1, 1), SIDE)
    return network.to(images.device).pooled_features(network.normalise((faces + 1) * 127.5))


def load_distance(trunk: str) -> Likeness:
    """Load LPIPS on `alex`, `squeeze` or `vgg`: 0 for images that look the same."""
    if trunk not in TAPS:
        raise InputError(f"LPIPS knows no {trunk!r}: choose from {', '.join(TAPS)}")
    return _compare_looks(trunk, load_lpips(trunk))


def _compare_looks(trunk: str, network: LPIPS) -> Likeness:
    def measure(before: Tensor, after: Tensor) -> Tensor:
        distance: Tensor = network.to(before.device)(before.clamp(-1, 1), after.clamp(-1, 1))
        return distance

    return Likeness(f"LPIPS {trunk}", measure)
