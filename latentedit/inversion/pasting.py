"""An edited face back into its photograph: where it was cut out, in the photograph's colours, without a seam."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.errors import InputError
from latentedit.inversion.alignment import Alignment, grid, sample
from latentedit.rendering import FACE_BOX
from latentedit.vocabulary import PASTE_MODES, PasteMode

CORE, EDGE = 0.85, 1.35  # radii of the mask, in half axes of the face's box: 1 within the first, 0 from the second on


def paste(
    photograph: Tensor, alignment: Alignment, edited: Tensor, inversion: Tensor, crop: Tensor, mode: PasteMode = "face"
) -> Tensor:
    """Put a face back: uint8 [3, H, W], three faces [3, R, R] in [-1, 1] -> uint8 [3, H, W].

    `face` brings the edited face to the colours that turn the inversion into the crop, and lays it
    over the photograph; `change` adds edited - inversion, which keeps the photograph's own detail
    where the edit changes nothing. Both fade out over an oval's border; beyond it no pixel changes.
    """
    if mode not in PASTE_MODES:
        raise InputError(f"paste {mode!r} is not known: choose one of {', '.join(PASTE_MODES)}")
    left, top, right, bottom = _bound(alignment)
    if left >= right or top >= bottom:
        return photograph.clone()
    x, y = torch.arange(left, right) + 0.5, torch.arange(top, bottom) + 0.5
    places = alignment.to_crop(torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1))  # (u, v) of each pixel
    weight = fade(places)
    result, region = photograph.clone(), photograph[:, top:bottom, left:right].float() / 127.5 - 1
    if mode == "face":
        new = _bring_back(match_colours(edited, inversion, crop), places, alignment)
        blended = region.lerp(new.clamp(-1, 1), weight)
    else:
        blended = region + weight * _bring_back(edited - inversion, places, alignment)
    pixels = ((blended + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    result[:, top:bottom, left:right] = torch.where(weight > 0, pixels, photograph[:, top:bottom, left:right])
    return result


def fade(places: Tensor) -> Tensor:
    """Weigh places (u, v) of the crop by how much they belong to the face: [..., 2] -> [...], 1 in it, 0 far off."""
    left, top, right, bottom = FACE_BOX
    centre = torch.tensor([(left + right) / 2, (top + bottom) / 2], dtype=torch.float64)
    half = torch.tensor([(right - left) / 2, (bottom - top) / 2], dtype=torch.float64)
    radius = ((places - centre) / half).norm(dim=-1)
    t: Tensor = ((EDGE - radius) / (EDGE - CORE)).clamp(0, 1)
    return (t * t * (3 - 2 * t)).float()  # without a kink at either end


def match_colours(edited: Tensor, inversion: Tensor, crop: Tensor) -> Tensor:
    """Bring the edited face to the photograph's colours: a gain and an offset a channel, [3, R, R] -> same.

    They are those that give the inversion the crop's mean and deviation within the face, so that what
    the edit itself does to colours stays.
    """
    weight = fade(grid(crop.shape[-1])).to(crop)
    (mean, deviation), (wanted_mean, wanted) = _spread(inversion, weight), _spread(crop, weight)
    gain = (wanted / deviation.clamp(min=1e-3)).clamp(0.5, 2)
    matched: Tensor = (edited - mean) * gain + wanted_mean
    return matched


def _spread(face: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Compute weighted mean and standard deviation of each channel: [3, R, R] -> [3, 1, 1] twice."""
    mean = (face * weight).sum(dim=(1, 2), keepdim=True) / weight.sum()
    variance = ((face - mean).square() * weight).sum(dim=(1, 2), keepdim=True) / weight.sum()
    return mean, variance.sqrt()


def _bring_back(face: Tensor, places: Tensor, alignment: Alignment) -> Tensor:
    """Sample a face [3, R, R] where the photograph's pixels lie, averaged down first where they are coarser."""
    size = max(1, min(face.shape[-1], math.ceil(alignment.side)))
    pixels = face[None].cpu().float()
    if size < face.shape[-1]:
        pixels = F.interpolate(pixels, (size, size), mode="bicubic", antialias=True)
    return sample(pixels, places * size)[0]


def _bound(alignment: Alignment) -> tuple[int, int, int, int]:
    """Bound the crop within the photograph: -> left, top, right, bottom."""
    corners = alignment.to_photograph(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    low, high = corners.amin(dim=0).floor().tolist(), corners.amax(dim=0).ceil().tolist()
    (width, height) = alignment.size
    return max(0, int(low[0])), max(0, int(low[1])), min(width, int(high[0])), min(height, int(high[1]))
