"""Training faces as rows of features: symmetric, of equal weight, and deaf to what rendering does."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.photographs import to_images
from latentedit.predictors.omi import FaceFeatures
from latentedit.predictors.placement import Placement
from latentedit.training.views import DRAWN, EVERY, VIEWS, View, unchanged

CHUNK = 32  # faces at a time
KEPT_OUT = 10  # every so manieth face teaches neither damping nor where faces lie: robustness is measured on these
STRENGTH = 10.0  # of damping, for features whose variances add up to one


@dataclass(frozen=True)
class Description:
    """Scaled features [N, F] of faces, the same damped, and the scale of every feature [F]."""

    features: Tensor
    damped: Tensor
    scales: Tensor

    @property
    def gram(self) -> Tensor:
        """The products of all faces in the damped metric: float64 [N, N]."""
        products = (self.features @ self.damped.t()).double()
        return (products + products.t()) / 2  # rounding left them not quite symmetric


@torch.no_grad()
def describe_faces(images: Tensor, features: FaceFeatures, placement: Placement, quiet: bool = False) -> Description:
    """Describe faces and learn, without any rating, what to be deaf to: uint8 [N, 3, H, W] -> Description."""
    blocks = _describe_mirrored(images, features, placement, unchanged, quiet)
    gains = [block.var(dim=0, correction=0).sum().mul(len(blocks)).rsqrt() for block in blocks]
    scales = torch.cat([gain.expand(block.shape[1]) for gain, block in zip(gains, blocks, strict=True)])
    rows = torch.cat(blocks, dim=1).mul_(scales)
    teachers = choose_teachers(len(images))[:: features.sparing]
    views = {EVERY: teachers, **{name: teachers[i :: len(DRAWN)] for i, name in enumerate(DRAWN)}}
    changes = []
    for name, chosen in views.items():
        seen = _describe_mirrored(images[chosen], features, placement, VIEWS[name], quiet)
        changes.append(torch.cat(seen, dim=1) * scales - rows[chosen])
    return Description(rows, damp(rows, torch.cat(changes), STRENGTH), scales)


def choose_teachers(num_faces: int) -> list[int]:
    """Leave out the faces that robustness is measured on: -> the indices of the others."""
    return [i for i in range(num_faces) if i % KEPT_OUT]


def damp(features: Tensor, changes: Tensor, strength: float) -> Tensor:
    """Shrink features along the changes D that a face may undergo, x (1 + s D'D)^-1: [N, F], [M, F] -> [N, F].

    A ridge regression on these has its penalty raised by how far its predictions for the changed
    faces stray, as in tangent propagation (Simard et al. 1992); solved in the space of the M changes.
    """
    inner = (changes @ changes.t()).double()
    inner.diagonal().add_(1 / strength)
    shares: Tensor = torch.linalg.solve(inner, (changes @ features.t()).double())  # [M, N]
    damped: Tensor = features - shares.t().to(features.dtype) @ changes
    return damped


def _describe_mirrored(
    images: Tensor, features: FaceFeatures, placement: Placement, view: View, quiet: bool
) -> list[Tensor]:
    """Average the features of each face and its mirror image, where they differ: uint8 -> blocks [N, F]."""
    chunks = []
    for i in tqdm(range(0, len(images), CHUNK), desc="describing faces", disable=quiet):
        seen = placement.bring_back(view(to_images(images[i : i + CHUNK])))
        looks = [features(seen)] if features.symmetric else [features(seen), features(seen.flip(-1))]
        chunks.append([torch.stack(block).mean(dim=0) for block in zip(*looks, strict=True)])
    return [torch.cat(block) for block in zip(*chunks, strict=True)]
