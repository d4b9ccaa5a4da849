"""Networks that compare an edited face with the face before: whether it is the same person, and how far it looks."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.evaluation.similarity import Similarity, cosine_of
from latentedit.predictors.face_regressor import BACKBONES
from latentedit.predictors.identity_weights import FaceNetwork, load_identities
from latentedit.predictors.perception import LPIPS, TAPS
from latentedit.predictors.predictor import resize
from latentedit.predictors.reconstruction import load_lpips
from latentedit.predictors.weights import obtain_weights

SIDE = 224  # pixels that the face networks learned on


def load_identity(address: str) -> Similarity:
    """Load a network that tells people apart, `resnet50` or `resnet50=FILE`: 1 where it sees the same person.

    `vgg16`, `resnet50` and `senet50` of VGGFace and VGGFace2, whose published weights are downloaded at
    the first use where no file is named. The networks saw faces cut out closer than FFHQ's frame.
    """
    name, _, file = address.partition("=")
    if name not in BACKBONES:
        raise InputError(f"no identity network is called {name!r}: choose from {', '.join(BACKBONES)}, or NAME=FILE")
    path = Path(file) if file else obtain_weights(f"vggface-{name}")
    if not path.is_file():
        raise InputError(f"{path}: No such file, name the weights of {name}")
    network = BACKBONES[name]().eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.fill_(math.nan)  # what the file lacks stays no number
    load_identities(network, path)
    if not network.pooled_features(torch.zeros(1, 3, SIDE, SIDE)).isfinite().all():
        raise InputError(f"{path}: lacks layers that {name} tells people apart by, give the file with its top")
    return compare_identities(network)


def compare_identities(network: FaceNetwork, side: int = SIDE) -> Similarity:
    """Compare by the cosine of a face network's features: images [N, 3, H, W], [N, 3, H, W] in [-1, 1] -> [N]."""

    def embed(images: Tensor) -> Tensor:
        pixels = (resize(images.clamp(-1, 1), side) + 1) * 127.5
        return network.to(images.device).pooled_features(network.normalise(pixels))

    return cosine_of(embed)


def load_distance(trunk: str) -> Similarity:
    """Load LPIPS on `alex`, `squeeze` or `vgg`: 0 where images look the same."""
    if trunk not in TAPS:
        raise InputError(f"LPIPS knows no {trunk!r}: choose from {', '.join(TAPS)}")
    return compare_looks(load_lpips(trunk))


def compare_looks(network: LPIPS) -> Similarity:
    """Compare by LPIPS: images [N, 3, H, W], [N, 3, H, W] in [-1, 1] -> [N]."""

    def compare(before: Tensor, after: Tensor) -> Tensor:
        distance: Tensor = network.to(before.device)(before.clamp(-1, 1), after.clamp(-1, 1))
        return distance

    return compare
