"""Learn the patches that faces are made of: spherical k-means on whitened patches (Coates & Ng 2012)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.photographs import to_images
from latentedit.predictors.features import resize
from latentedit.predictors.patches import PatchConfig, PatchFeatures, extract_patches

NUM_PATCHES = 40_000
NUM_ROUNDS = 12
SOFTENING = 0.1  # added to the variances before whitening: keeps noise from being blown up


def learn_patches(images: Tensor, config: PatchConfig, seed: int) -> PatchFeatures:
    """Learn filters from faces, without their ratings: uint8 [N, 3, H, W] -> PatchFeatures."""
    generator = torch.Generator().manual_seed(seed)
    shape = (3, config.patch, config.patch)
    patches = _draw_patches(images, config, generator)
    center, whitening = fit_whitening(patches)
    center = (center.reshape(shape) + center.reshape(shape).flip(-1)).flatten() / 2  # mirroring shall not move it
    atoms = cluster_directions((patches - center) @ whitening, config.num_filters, generator)
    features = PatchFeatures(config)
    filters = atoms @ whitening  # whitening is symmetric: <W x, a> = <x, W a>
    features.load_state_dict({"filters": filters.reshape(-1, *shape), "center": center.reshape(shape)})
    return features


def _draw_patches(images: Tensor, config: PatchConfig, generator: torch.Generator) -> Tensor:
    """Draw patches of faces, half of the faces mirrored: -> [NUM_PATCHES, 3 P P]."""
    per_face = -(-NUM_PATCHES // len(images))
    drawn = []
    for i, face in enumerate(images):
        image = resize(to_images(face[None]), config.img_resolution)
        patches = extract_patches(image.flip(-1) if i % 2 else image, config)[0]
        drawn.append(patches[torch.randint(len(patches), (per_face,), generator=generator)])
    return torch.cat(drawn)[:NUM_PATCHES]


def fit_whitening(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Find the mean [D] and the symmetric map (C + softening)^(-1/2) [D, D] that whiten patches [N, D]."""
    center = patches.mean(dim=0)
    variances, axes = torch.linalg.eigh(torch.cov((patches - center).t().double()))
    whitening = (axes * (variances.clamp_min(0) + SOFTENING).rsqrt()) @ axes.t()
    return center, whitening.to(patches.dtype)


def cluster_directions(points: Tensor, num_atoms: int, generator: torch.Generator) -> Tensor:
    """Find unit vectors, each the mean direction of the points it is most parallel to: [N, D] -> [num_atoms, D]."""
    atoms = F.normalize(points[torch.randperm(len(points), generator=generator)[:num_atoms]])
    for _ in range(NUM_ROUNDS):
        likeness = points @ atoms.t()
        nearest = likeness.abs().argmax(dim=1, keepdim=True)
        shares = torch.zeros_like(likeness).scatter_(1, nearest, likeness.gather(1, nearest))
        atoms = F.normalize(shares.t() @ points + 1e-4 * atoms)  # an atom without points stays where it is
    return atoms
