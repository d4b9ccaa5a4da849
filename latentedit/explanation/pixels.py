"""Attribution to pixels, by captum: what each of them adds to a score."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.explanation.layers import Explained

POINTS, MOST_HALVINGS = (32, 8), 10  # points on the whole way, and on each half of a stretch
TOLERANCE = 0.005  # of the difference that is to be explained
LEAST = 0.01  # of the scale: a smaller difference is not worth more points
WINDOW = 8  # windows side by side over the image's width
NOISE, SAMPLES, SEED = 0.1, 16, 0  # standard deviation in images from -1 to 1


def integrate_gradients(explained: Explained, images: Tensor, baselines: Tensor) -> Tensor:
    """Integrate the gradient on the way from the baseline (Sundararajan et al. 2017): [N, 3, H, W] -> [N, H, W].

    The map adds up to f(image) - f(baseline) with an error under .005 (`measure_completeness`): 32 points lie along the
    whole way (Gauss-Legendre), and while their sum misses more, the stretches that miss most are halved, ten times at
    most, with 8 points for each half.
    """
    pairs = zip(torch.split(images, 1), torch.split(baselines, 1), strict=True)
    return torch.stack([_integrate(explained, image, baseline) for image, baseline in pairs])


def _integrate(explained: Explained, image: Tensor, baseline: Tensor) -> Tensor:
    """Integrate along one way: [1, 3, H, W] twice -> [H, W]."""
    map, missed, way = torch.zeros_like(image[0, 0]), 0.0, image - baseline
    allowed = TOLERANCE * float(_compare(explained, image, baseline)[1])
    starts, length, points = torch.zeros(1, 1, 1, 1).to(image), 1.0, POINTS[0]
    for halvings in range(MOST_HALVINGS + 1):
        befores = (baseline + chunk * way for chunk in torch.split(starts, POINTS[0]))
        found = [_integrate_stretches(explained, before, before + length * way, points) for before in befores]
        parts, errors = (torch.cat(column) for column in zip(*found, strict=True))
        is_enough = abs(missed + float(errors.sum())) <= allowed or halvings == MOST_HALVINGS
        rough = (errors.abs() > allowed * length) & (not is_enough)
        map, missed = map + parts[~rough].sum(dim=0), missed + float(errors[~rough].sum())
        if not rough.any():
            break
        starts, length, points = starts[rough], length / 2, POINTS[1]
        starts = torch.cat([starts, starts + length])
    return map


def _integrate_stretches(explained: Explained, before: Tensor, after: Tensor, points: int) -> tuple[Tensor, Tensor]:
    """Integrate each stretch [K, 3, H, W] of a way: -> maps [K, H, W], what their sums miss of the change [K]."""
    method = _captum().IntegratedGradients(explained)
    found = method.attribute(after, before, n_steps=points, internal_batch_size=POINTS[0])
    parts = found.detach().to(after).sum(dim=1)
    return parts, parts.sum(dim=(1, 2)) - _compare(explained, after, before)[0].to(parts)


def measure_completeness(explained: Explained, maps: Tensor, images: Tensor, baselines: Tensor) -> Tensor:
    """Measure |sum of the map - d| / |d| with d = f(image) - f(baseline): [N, H, W] -> [N].

    A d below a hundredth of the scale counts as that hundredth.
    """
    difference, size = _compare(explained, images, baselines)
    return (maps.sum(dim=(1, 2)) - difference).abs() / size


@torch.no_grad()
def _compare(explained: Explained, images: Tensor, baselines: Tensor) -> tuple[Tensor, Tensor]:
    """Take d = f(image) - f(baseline) and the size that errors are a share of: -> [N] twice."""
    difference = explained(images) - explained(baselines)
    return difference, difference.abs().clamp(min=LEAST * (explained.range[1] - explained.range[0]))


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
