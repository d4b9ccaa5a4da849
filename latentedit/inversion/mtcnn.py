"""Faces by MTCNN (Zhang et al. 2016): three networks, each of which looks closer at what the one before proposed.

Tensor names are those of the package facenet-pytorch, whose weights are read; its code is not imported.
"""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from latentedit.errors import InputError, about
from latentedit.inversion.faces import Face
from latentedit.inversion.overlap import suppress
from latentedit.predictors.weights import fill, read_weights

PACKAGE = "facenet-pytorch"  # whose weights are read
SMALLEST = 20  # pixels of a face's side
SHRINKAGE = 0.709  # from one size at which the first network looks to the next: half of the area
CELL, STRIDE = 12, 2  # pixels that the first network judges at once, and from one place to the next
BLACK = -127.5 / 128  # as the networks see it
LOWEST_SCORES = (0.6, 0.7, 0.7)  # of the three networks
Network = TypeVar("Network", bound=nn.Module)


class ProposalNetwork(nn.Module):
    """Judge every place of an image: [1, 3, H, W] -> scores [H', W'] and moves of the box's corners [4, H', W']."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 2, ceil_mode=True)
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_1(x).softmax(dim=1)[0, 1], self.conv4_2(x)[0]


class RefinementNetwork(nn.Module):
    """Judge crops: [N, 3, 24, 24] -> scores [N] and moves of the box's corners [N, 4]."""

    side = 24

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = self.prelu4(self.dense4(_flatten(self.prelu3(self.conv3(x)))))
        return self.dense5_1(x).softmax(dim=1)[:, 1], self.dense5_2(x)


class OutputNetwork(nn.Module):
    """Judge crops: [N, 3, 48, 48] -> scores [N], moves of corners [N, 4] and landmarks [N, 5, 2] in boxes of one."""

    side = 48

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = (nn.Linear(256, count) for count in (2, 4, 10))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu3(self.conv3(x)), 2, ceil_mode=True)
        x = self.prelu5(self.dense5(_flatten(self.prelu4(self.conv4(x)))))
        points = self.dense6_3(x).reshape(-1, 2, 5).transpose(1, 2)  # all x stand before all y
        return self.dense6_1(x).softmax(dim=1)[:, 1], self.dense6_2(x), points


def _flatten(maps: Tensor) -> Tensor:
    """List a map as the weights expect it, by columns, channels last: [N, C, H, W] -> [N, W H C]."""
    return maps.permute(0, 3, 2, 1).flatten(1)


@dataclass(frozen=True, eq=False)
class Cascade:
    """The three networks; called with an image, they find its faces."""

    propose: ProposalNetwork
    refine: RefinementNetwork
    decide: OutputNetwork

    @torch.no_grad()
    def __call__(self, image: Image.Image) -> list[Face]:
        """Find faces upright in an image: -> list, the surest first."""
        pixels = torch.from_numpy(np.asarray(image.convert("RGB"), np.float32)).permute(2, 0, 1)[None]
        pixels = (pixels - 127.5) / 128
        boxes = self._refine(pixels, self._propose(pixels))
        if not len(boxes):
            return []
        boxes = make_square(boxes)
        scores, moves, points = self.decide(cut_out(pixels, boxes, self.decide.side))
        moved = move(boxes, moves)
        points = boxes[:, None, :2] + points * (boxes[:, None, 2:] - boxes[:, None, :2])
        rows = [i for i in suppress(moved, scores, 0.7, of_smaller=True) if scores[i] > LOWEST_SCORES[2]]
        return [_to_face(moved[i], points[i], scores[i]) for i in rows]

    def _propose(self, pixels: Tensor) -> Tensor:
        """Look for faces of every size: [1, 3, H, W] -> boxes [N, 4]."""
        found = [self._look(pixels, scale) for scale in list_scales(min(pixels.shape[2:]))]
        if not found:
            return torch.zeros(0, 4)
        scores, boxes, moves = (torch.cat(parts) for parts in zip(*found, strict=True))
        rows = suppress(boxes, scores, 0.7)
        return move(boxes[rows], moves[rows])

    def _look(self, pixels: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
        """Look for faces of one size: -> scores [N], boxes [N, 4], moves of their corners [N, 4]."""
        size = [math.ceil(side * scale) for side in pixels.shape[2:]]
        scores, moves = self.propose(F.interpolate(pixels, size, mode="bilinear", antialias=True))
        rows, columns = (scores > LOWEST_SCORES[0]).nonzero(as_tuple=True)
        corners = torch.stack([columns, rows], dim=1) * STRIDE
        boxes = torch.cat([corners, corners + CELL], dim=1) / scale
        kept = suppress(boxes, scores[rows, columns], 0.5)
        return scores[rows, columns][kept], boxes[kept], moves[:, rows, columns].t()[kept]

    def _refine(self, pixels: Tensor, boxes: Tensor) -> Tensor:
        """Look closer: [1, 3, H, W], boxes [N, 4] -> those that stay, moved [M, 4]."""
        if not len(boxes):
            return boxes
        boxes = make_square(boxes)
        scores, moves = self.refine(cut_out(pixels, boxes, self.refine.side))
        sure = scores > LOWEST_SCORES[1]
        boxes, scores, moves = boxes[sure], scores[sure], moves[sure]
        rows = suppress(boxes, scores, 0.7)
        return move(boxes[rows], moves[rows])


def list_scales(side: int) -> Iterator[float]:
    """Yield how far to shrink an image of this shorter side, for the smallest face first."""
    scale = CELL / SMALLEST
    while side * scale >= CELL:
        yield scale
        scale *= SHRINKAGE


def make_square(boxes: Tensor) -> Tensor:
    """Widen boxes to squares around the same centres: [N, 4] -> same."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True) / 2
    return torch.cat([centres - half, centres + half], dim=1)


def move(boxes: Tensor, moves: Tensor) -> Tensor:
    """Move corners by shares of the boxes' sides: [N, 4], [N, 4] -> [N, 4]."""
    return boxes + moves * (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)


def cut_out(pixels: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Cut boxes out of an image, black around it: [1, 3, H, W], [N, 4] -> [N, 3, side, side]."""
    edges = boxes.round().long()
    height, width = pixels.shape[2:]
    beyond = torch.cat([-edges[:, :2], edges[:, 2:] - torch.tensor([width, height])])
    margin = max(0, int(beyond.max())) + 1
    wide = F.pad(pixels, [margin] * 4, value=BLACK)
    places = (edges + margin).tolist()
    crops = (wide[:, :, top : max(bottom, top + 1), left : max(right, left + 1)] for left, top, right, bottom in places)
    return torch.cat([F.interpolate(crop, (side, side), mode="bilinear", antialias=True) for crop in crops])


def _to_face(box: Tensor, points: Tensor, score: Tensor) -> Face:
    left, top, right, bottom = box.tolist()
    return Face((left, top, right - left, bottom - top), points.clone(), float(score))


def load_mtcnn(folder: Path | None = None) -> Cascade:
    """Load the networks from pnet.pt, rnet.pt and onet.pt in a folder, or in the installed facenet-pytorch."""
    folder = folder or find_weights()
    return Cascade(
        _open(ProposalNetwork, folder / "pnet.pt"),
        _open(RefinementNetwork, folder / "rnet.pt"),
        _open(OutputNetwork, folder / "onet.pt"),
    )


def find_weights() -> Path:
    """Find the folder of weights inside the installed package facenet-pytorch, whose code is not imported."""
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        mend = "`pip install --no-deps facenet-pytorch` (2 MB, MIT)"
        raise InputError(f"the weights of MTCNN are missing: {mend}, or leave --detector out") from error
    return Path(str(package.locate_file("facenet_pytorch/data")))


def _open(kind: type[Network], path: Path) -> Network:
    with torch.device("meta"):
        network = kind()
    with about(path):
        fill(network, read_weights(path))
    return network.eval().requires_grad_(False)
