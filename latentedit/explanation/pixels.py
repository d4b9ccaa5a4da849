"""Attribution to pixels, by captum: what each of them adds to a score."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.explanation.layers import Explained

STEPS, MOST_STEPS = 32, 512
TOLERANCE = 0.01  # of the difference that is to be explained
LEAST = 0.01  # of the scale: a smaller difference is not worth more steps
WINDOW = 8  # windows side by side over the image's width
NOISE, SAMPLES, SEED = 0.1, 16, 0  # standard deviation in images from -1 to 1


def integrate_gradients(explained: Explained, images: Tensor, baselines: Tensor) -> Tensor:
    """Integrate the gradient on the way from the baseline (Sundararajan et al. 2017): [N, 3, H, W] -> [N, H, W].

    The map adds up to f(image) - f(baseline). Steps along the way double, from 32 to 512 at most, until the error of
    that sum is under .01 (`measure_completeness`).
    """
    method = _captum().IntegratedGradients(explained)
    maps, left, steps = torch.zeros_like(images[:, 0]), torch.arange(len(images)), STEPS
    while len(left) and steps <= MOST_STEPS:
        found = method.attribute(images[left], baselines[left], n_steps=steps, internal_batch_size=max(32, len(left)))
        maps[left] = found.detach().to(maps).sum(dim=1)
        missed = measure_completeness(explained, maps[left], images[left], baselines[left]) > TOLERANCE
        left, steps = left[missed], 2 * steps
    return maps


@torch.no_grad()
def measure_completeness(explained: Explained, maps: Tensor, images: Tensor, baselines: Tensor) -> Tensor:
    """Measure |sum of the map - d| / |d| with d = f(image) - f(baseline): [N, H, W] -> [N].

    A d below a hundredth of the scale counts as that hundredth.
    """
    difference = explained(images) - explained(baselines)
    least = LEAST * (explained.range[1] - explained.range[0])
    return cast(Tensor, (maps.sum(dim=(1, 2)) - difference).abs() / difference.abs().clamp(min=least))


def occlude(explained: Explained, images: Tensor, baselines: Tensor, window: int | None = None) -> Tensor:
    """Measure what the score loses when a window shows the baseline (Zeiler & Fergus 2014): -> [N, H, W].

    Windows of `window` px, by default an eighth of the width, lie side by side; a window's loss is shared out evenly
    among its pixels.
    """
    side = window or max(1, images.shape[-1] // WINDOW)
    found = (
        _captum()
        .Occlusion(explained)
        .attribute(images, (3, side, side), (3, side, side), baselines=baselines, perturbations_per_eval=8)
    )
    return cast(Tensor, found.detach()[:, 0] / side**2)


def smooth_gradients(explained: Explained, images: Tensor, baselines: Tensor) -> Tensor:
    """Average the gradient over noisy copies (Smilkov et al. 2017), times image - baseline: -> [N, H, W]."""
    captum = _captum()
    method = captum.NoiseTunnel(captum.Saliency(explained))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        found = method.attribute(images, nt_samples=SAMPLES, nt_samples_batch_size=2, stdevs=NOISE, abs=False)
    return cast(Tensor, (found.detach() * (images - baselines)).sum(dim=1))


def _captum() -> Any:
    try:
        import captum.attr
    except ImportError as error:
        raise InputError("attributions to pixels need `pip install 'latentedit[explain]'`") from error
    return captum.attr
