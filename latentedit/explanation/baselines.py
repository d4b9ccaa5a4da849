"""What an image is compared with: the picture that says nothing."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.checkpoints import load_generator
from latentedit.errors import InputError
from latentedit.networks import Generator
from latentedit.rendering import render
from latentedit.vocabulary import BASELINES, Baseline

BLUR = 1 / 8  # of the image's width: the standard deviation


def make_baseline(baseline: Baseline | Tensor, images: Tensor) -> Tensor:
    """Make what images are compared with: [N, 3, H, W] in [-1, 1] -> same.

    `black`; `blurred`, each image under a Gaussian of an eighth of its width; `mean`, the mean face of the
    bundled generator; or your own, [3, H, W] or [N, 3, H, W].
    """
    if isinstance(baseline, Tensor):
        return F.interpolate(baseline.reshape(-1, *baseline.shape[-3:]), images.shape[-2:]).expand_as(images)
    if baseline not in BASELINES:
        raise InputError(f"baseline {baseline!r} is not known: choose one of {', '.join(BASELINES)}")
    if baseline == "black":
        return torch.full_like(images, -1.0)
    if baseline == "blurred":
        return blur(images)
    mean = _bundled_mean_face().to(images)[None]
    return F.interpolate(mean, images.shape[-2:], mode="bicubic", antialias=True).clamp(-1, 1).expand_as(images)


def blur(images: Tensor) -> Tensor:
    """Blur by a Gaussian of an eighth of the width, repeating the edges: [N, 3, H, W] -> same."""
    from scipy.ndimage import gaussian_filter

    sigma = BLUR * images.shape[-1]
    return torch.from_numpy(gaussian_filter(images.detach().cpu().numpy(), (0, 0, sigma, sigma), mode="nearest")).to(
        images
    )


def mean_face(generator: Generator) -> Tensor:
    """Render the mean of W: -> [3, H, W] in [-1, 1]."""
    w_avg = generator.mapping.w_avg
    return render(generator, w_avg.reshape(1, 1, -1).expand(1, generator.config.num_ws, -1))[0]


@cache
def _bundled_mean_face() -> Tensor:
    return mean_face(load_generator())
