"""Boxes that show the same face, of which the surest is kept."""

from __future__ import annotations

import torch
from torch import Tensor


def suppress(boxes: Tensor, scores: Tensor, most: float, of_smaller: bool = False) -> Tensor:
    """Choose the best of boxes that overlap by more than `most`: [N, 4], [N] -> rows, the best first.

    Boxes are left, top, right and bottom. The overlap is the share of the boxes' union, or of the
    smaller one's area.
    """
    order, kept = scores.argsort(descending=True, stable=True), []
    while len(order):
        kept.append(order[0])
        order = order[1:]
        order = order[measure_overlap(boxes[kept[-1]], boxes[order], of_smaller) <= most]
    return torch.stack(kept) if kept else order


def measure_overlap(box: Tensor, others: Tensor, of_smaller: bool = False) -> Tensor:
    """Compute intersection over union, or over the smaller area: [4], [N, 4] -> [N]."""
    sides = torch.minimum(box[2:], others[:, 2:]) - torch.maximum(box[:2], others[:, :2])
    shared = sides.clamp(min=0).prod(dim=1)
    area, areas = (box[2:] - box[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(dim=1)
    return shared / (torch.minimum(area, areas) if of_smaller else area + areas - shared)
