"""FFHQ's frame on a photograph by five landmarks (Karras et al. 2019, appendix C), and the crop that it cuts out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.errors import InputError
from latentedit.photographs import to_picture, to_tensor

SMALLEST_SIDE = 4.0  # pixels of the photograph that a frame must span
FARTHEST = 8.0  # sides by which a frame may stand off the photograph


@dataclass(frozen=True)
class Alignment:
    """Where a crop lies: (x, y) = origin + u * right + v * down, pixels of the photograph for (u, v) in [0, 1]^2.

    (0, 0) is the upper left corner of the first pixel, whose centre is (0.5, 0.5). `size` is the
    photograph's width and height.
    """

    origin: tuple[float, float]
    right: tuple[float, float]
    down: tuple[float, float]
    size: tuple[int, int]

    @property
    def side(self) -> float:
        """How many pixels of the photograph the crop is wide."""
        return math.hypot(*self.right)

    @property
    def axes(self) -> Tensor:
        """The crop's axes side by side: -> [2, 2] in float64."""
        return torch.tensor([self.right, self.down], dtype=torch.float64).t()

    def to_photograph(self, points: Tensor) -> Tensor:
        """Carry points of the crop, (u, v) in [0, 1]^2, to the photograph: [..., 2] -> pixels [..., 2]."""
        moved: Tensor = points.double() @ self.axes.t() + torch.tensor(self.origin, dtype=torch.float64)
        return moved

    def to_crop(self, points: Tensor) -> Tensor:
        """Carry pixels of the photograph to the crop, the inverse of `to_photograph`: [..., 2] -> (u, v) [..., 2]."""
        offsets = points.double() - torch.tensor(self.origin, dtype=torch.float64)
        places: Tensor = torch.linalg.solve(self.axes, offsets[..., None])[..., 0]
        return places

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Alignment:
        """Read what `to_dict` wrote, through JSON or not."""
        origin, right, down = (tuple(map(float, values[name])) for name in ("origin", "right", "down"))
        return _check(cls(origin, right, down, tuple(map(int, values["size"]))))  # type: ignore[arg-type]


def align(landmarks: Tensor, size: tuple[int, int]) -> Alignment:
    """Lay FFHQ's frame by landmarks [5, 2] in pixels: eyes, nose, corners of the mouth, each from the left.

    The axis x averages the way between the eyes with the way from eyes to mouth turned by a right
    angle; the side is 4 times the eyes' distance or 3.6 times that of eyes and mouth, whichever is
    larger; the centre lies a tenth of the way from the eyes to the mouth. `size` is the photograph's
    width and height. Raises InputError where landmarks are no face's.
    """
    eye_left, eye_right, _, mouth_left, mouth_right = landmarks.double()
    eyes, mouth = (eye_left + eye_right) / 2, (mouth_left + mouth_right) / 2
    across, downwards = eye_right - eye_left, mouth - eyes
    x = across + torch.stack([downwards[1], -downwards[0]])
    half = max(2.0 * float(across.norm()), 1.8 * float(downwards.norm()))
    x = x / x.norm() * half
    y = torch.stack([-x[1], x[0]])
    origin = eyes + 0.1 * downwards - x - y
    return _check(Alignment(_pair(origin), _pair(2 * x), _pair(2 * y), size))


def _pair(point: Tensor) -> tuple[float, float]:
    x, y = point.tolist()
    return x, y


def _check(alignment: Alignment) -> Alignment:
    """Refuse a frame without area, without end, or far off the photograph."""
    numbers = (*alignment.origin, *alignment.right, *alignment.down)
    if not all(map(math.isfinite, numbers)) or alignment.side < SMALLEST_SIDE:
        raise InputError("these landmarks span no face: give eyes, nose and corners of the mouth in pixels")
    if abs(float(torch.linalg.det(alignment.axes))) < SMALLEST_SIDE**2 or min(alignment.size) < 1:
        raise InputError("this frame has no area: align the photograph anew")
    centre = alignment.to_photograph(torch.tensor([0.5, 0.5])).tolist()
    room = FARTHEST * alignment.side
    if any(not -room <= place <= length + room for place, length in zip(centre, alignment.size, strict=True)):
        width, height = alignment.size
        raise InputError(f"these landmarks lie far outside of the photograph's {width} x {height} pixels: correct them")
    return alignment


def crop_face(photograph: Tensor, alignment: Alignment, resolution: int) -> Tensor:
    """Cut the face out: uint8 [3, H, W] -> uint8 [3, R, R].

    What lies outside of the photograph is its mirror image. Every pixel of the photograph counts:
    larger crops are box-filtered and sampled densely before an antialiased resize brings them down.
    """
    width, height = alignment.size
    if photograph.shape != (3, height, width):
        raise InputError(f"a photograph of {photograph.shape[2]} x {photograph.shape[1]} pixels, aligned was another")
    shrink = max(1, int(alignment.side / resolution / 2))
    left, top, right, bottom = _bound(alignment)
    region = to_picture(photograph[:, top:bottom, left:right])
    pixels = to_tensor(region.reduce(shrink) if shrink > 1 else region)[None].float()
    count = resolution * max(1, math.ceil(alignment.side / shrink / resolution))
    places = (alignment.to_photograph(grid(count)) - torch.tensor([left, top])) / shrink
    dense = sample(pixels, places)
    small = (
        F.interpolate(dense, (resolution, resolution), mode="bicubic", antialias=True) if count > resolution else dense
    )
    return small[0].round().clamp(0, 255).to(torch.uint8)


def grid(count: int) -> Tensor:
    """Place the centres of pixels in [0, 1]^2: -> (u, v) [count, count, 2]."""
    centres = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    return torch.stack(torch.meshgrid(centres, centres, indexing="xy"), dim=-1)


def sample(pixels: Tensor, places: Tensor) -> Tensor:
    """Interpolate bicubically, mirrored beyond the edges: [1, C, H, W], pixels [h, w, 2] -> [1, C, h, w]."""
    height, width = pixels.shape[-2:]
    unit = places / torch.tensor([width, height]) * 2 - 1
    return F.grid_sample(pixels, unit[None].to(pixels), "bicubic", "reflection", align_corners=False)


def _bound(alignment: Alignment) -> tuple[int, int, int, int]:
    """Bound what a crop shows of the photograph, mirrored or not: -> left, top, right, bottom in whole pixels."""
    corners = alignment.to_photograph(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    spans = [_bound_axis(corners[:, i], alignment.size[i]) for i in (0, 1)]
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def _bound_axis(corners: Tensor, length: int) -> tuple[int, int]:
    """Bound one axis: where a mirrored edge shows, the bound lies on it."""
    low, high = float(corners.min()), float(corners.max())
    shown = [low, high, *([-low] if low < 0 else []), *([2 * length - high] if high > length else [])]
    start, end = min(max(0.0, min(shown) - 3), length - 1.0), max(min(float(length), max(shown) + 3), 1.0)
    return math.floor(start), math.ceil(end)
