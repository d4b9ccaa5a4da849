"""Grad-CAM (Selvaraju et al. 2017) and Grad-CAM++ (Chattopadhay et al. 2018): which places of a layer count.

Captum's Grad-CAM knows neither the tokens of a transformer nor Grad-CAM++; on convolutions the tests hold this one
against it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from latentedit.explanation.layers import Explained, find_frame, lay_over, tapped, to_maps

Weigh = Callable[[Tensor, Tensor], Tensor]  # a layer's maps and their gradients to weights


def grad_cam(explained: Explained, images: Tensor, layers: Sequence[str]) -> Tensor:
    """Weigh a layer's channels by their mean gradients, relu(sum_c mean(g_c) A_c): [N, 3, H, W] -> [N, H, W]."""
    return _map(explained, images, layers, lambda maps, g: g.mean(dim=(2, 3), keepdim=True))


def grad_cam_plus_plus(explained: Explained, images: Tensor, layers: Sequence[str]) -> Tensor:
    """Weigh channels by gradients where they are positive, sum_xy alpha relu(g): [N, 3, H, W] -> [N, H, W].

    alpha = g^2 / (2 g^2 + sum_xy(A) g^3), equation 19, which takes the score for the exponent of the output.
    """
    return _map(explained, images, layers, _weigh_by_power)


def hires_cam(explained: Explained, images: Tensor, layers: Sequence[str]) -> Tensor:
    """Add up gradient times answer place by place, sum_c g_c A_c (Draelos & Carin 2020): [N, 3, H, W] -> [N, H, W].

    Unlike Grad-CAM it forgets no place's own gradient: exact where the score is linear in the layer.
    """
    return _map(explained, images, layers, lambda maps, g: g, rectify=False)


def _weigh_by_power(maps: Tensor, g: Tensor) -> Tensor:
    total = maps.sum(dim=(2, 3), keepdim=True)
    below = 2 * g**2 + total * g**3
    alpha = torch.where(below != 0, g**2 / torch.where(below != 0, below, 1), 0)
    return (alpha * g.relu()).sum(dim=(2, 3), keepdim=True)


def _map(explained: Explained, images: Tensor, layers: Sequence[str], weigh: Weigh, rectify: bool = True) -> Tensor:
    """Add up the weighed maps of all layers, laid over the image."""
    frame = find_frame(explained, images)
    with torch.enable_grad(), tapped(explained.network, layers) as seen:
        scores = explained(images.detach().clone().requires_grad_())
        gradients = torch.autograd.grad(scores.sum(), [seen[name] for name in layers])
    both = [(to_maps(seen[name]), to_maps(g)) for name, g in zip(layers, gradients, strict=True)]
    weighed = [(weigh(maps, g) * maps).sum(dim=1) for maps, g in both]
    total = sum(lay_over(part.detach(), frame, images.shape[-2:]) for part in weighed)
    assert isinstance(total, Tensor)
    return total.relu() if rectify else total
