"""The parts of a face as areas of its image, by five landmarks or FFHQ's frame."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from latentedit.inversion.alignment import align, grid
from latentedit.inversion.detection import Detector, find_faces
from latentedit.pictures import to_pixels

REGIONS = ("eyes", "mouth", "skin", "hair", "background")
EYES, MOUTH = ((0.375, 0.475), (0.625, 0.475)), (0.5, 0.74)  # in FFHQ's frame, from its upper left corner
EYE_SIZE, MOUTH_SIZE = (0.085, 0.06), (0.125, 0.065)  # half axes, brows and lips included
FACE, HEAD = ((0.5, 0.545), (0.29, 0.355)), ((0.5, 0.43), (0.37, 0.41))  # centres and half axes
CHIN = 0.75  # hair below it counts as background


def find_regions(height: int, width: int, landmarks: Tensor | None = None) -> dict[str, Tensor]:
    """Part an image into REGIONS, each pixel in one: -> masks bool [H, W].

    Landmarks [5, 2] in pixels are eyes, nose and corners of the mouth, each from the left; without them the image
    counts as a face in FFHQ's frame. Ellipses around the landmarks: where hair ends and background begins is a guess.
    """
    places, eyes, mouth = _place(height, width, landmarks)
    claims = {
        "eyes": _ellipse(places, eyes[0], EYE_SIZE) | _ellipse(places, eyes[1], EYE_SIZE),
        "mouth": _ellipse(places, mouth, MOUTH_SIZE),
        "skin": _ellipse(places, *FACE),
        "hair": _ellipse(places, *HEAD) & (places[..., 1] < CHIN),
    }
    taken = torch.zeros(height, width, dtype=torch.bool)
    parts = {}
    for name, claim in claims.items():
        parts[name] = claim & ~taken
        taken |= claim
    return {**parts, "background": ~taken}


def _place(
    height: int, width: int, landmarks: Tensor | None
) -> tuple[Tensor, tuple[tuple[float, ...], ...], tuple[float, ...]]:
    """Find where in FFHQ's frame pixels, eyes and mouth lie: -> (u, v) [H, W, 2] and points."""
    side = max(height, width)
    if landmarks is None:
        return grid(side)[:height, :width] * torch.tensor([side / width, side / height]), EYES, MOUTH
    frame = align(landmarks, (width, height))
    points = frame.to_crop(landmarks).tolist()
    pixels = grid(side)[:height, :width] * side
    eyes, mouth = (tuple(points[0]), tuple(points[1])), [(a + b) / 2 for a, b in zip(*points[3:], strict=True)]
    return frame.to_crop(pixels), eyes, tuple(mouth)


def _ellipse(places: Tensor, centre: tuple[float, ...], half_axes: tuple[float, ...]) -> Tensor:
    """Mark what lies in an upright ellipse: (u, v) [H, W, 2] -> bool [H, W]."""
    return ((places - torch.tensor(centre)) / torch.tensor(half_axes)).square().sum(dim=-1) <= 1


def share_out(map: Tensor, regions: Mapping[str, Tensor]) -> dict[str, float]:
    """Say how much of a map's mass, signs aside, lies in each region: [H, W] -> shares that add up to 1."""
    sizes = map.abs().double()
    total = float(sizes.sum()) or 1.0
    return {name: float(sizes[mask].sum()) / total for name, mask in regions.items()}


def detect_landmarks(image: Tensor, detector: Detector) -> Tensor | None:
    """Find the landmarks [5, 2] of the largest face in an image [3, H, W] in [-1, 1]; None where no face is seen."""
    faces = find_faces(torch.from_numpy(to_pixels(image)).permute(2, 0, 1), detector)
    return faces[0].landmarks if faces else None
