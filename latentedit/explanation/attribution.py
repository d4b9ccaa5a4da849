"""Where in an image a score comes from: METHODS by name, and one call for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import InputError
from latentedit.explanation.baselines import make_baseline
from latentedit.explanation.layers import Explained, choose_layers
from latentedit.explanation.pixels import integrate_gradients, measure_completeness, occlude, smooth_gradients
from latentedit.explanation.places import grad_cam, grad_cam_plus_plus, hires_cam
from latentedit.predictors.attributes import suggest
from latentedit.scoring import Scorer
from latentedit.vocabulary import Baseline


@dataclass(frozen=True)
class Method:
    """A way to attribute: what it does, what it needs beside images, and whether its maps claim to add up."""

    run: Callable[..., Tensor]  # (explained, images, layers or baselines) -> maps [N, H, W]
    needs_layer: bool = False
    adds_up: bool = False
    passes: str = "1 forward, 1 backward"  # for each image


METHODS = {
    "integrated_gradients": Method(
        integrate_gradients, adds_up=True, passes="32 forward and backward, and 16 for each halving"
    ),
    "occlusion": Method(occlude, passes="64 forward"),
    "smooth_grad": Method(smooth_gradients, passes="16 forward and backward"),
    "grad_cam": Method(grad_cam, needs_layer=True),
    "grad_cam_plus_plus": Method(grad_cam_plus_plus, needs_layer=True),
    "hires_cam": Method(hires_cam, needs_layer=True),
}
DEFAULT_METHOD = "integrated_gradients"


@dataclass(frozen=True, eq=False)
class Attribution:
    """Maps [N, H, W] of what each pixel adds to a score, in points of the score, and the scores [N].

    `completeness` [N] is the error of the maps' sums, where the method claims that they add up to the difference
    between image and baseline; see `measure_completeness`.
    """

    method: str
    maps: Tensor
    scores: Tensor
    completeness: Tensor | None = None
    layers: tuple[str, ...] = ()


def attribute(
    scorer: Scorer,
    images: Tensor,
    method: str = DEFAULT_METHOD,
    baseline: Baseline | Tensor = "blurred",
    layer: str | None = None,
    chunk: int = 8,
    quiet: bool = True,
) -> Attribution:
    """Attribute scores to the pixels of images: [N, 3, H, W] in [-1, 1] -> maps [N, H, W], above zero what raises.

    Methods of layers take `layer`, by default the last that answers maps; the others compare with the baseline.
    Memory is bounded by `chunk` images. Raises InputError for an unknown method, layer or baseline.
    """
    way = find_method(method)
    explained = scorer if isinstance(scorer, Explained) else Explained(scorer)
    layers = choose_layers(explained, images[0], layer) if way.needs_layer else ()
    baselines = None if way.needs_layer else make_baseline(baseline, images)
    parts = []
    for start in tqdm(range(0, len(images), chunk), desc=f"explaining by {method}", disable=quiet):
        part = slice(start, start + chunk)
        given = layers if baselines is None else baselines[part].to(explained.device)
        parts.append(_attribute(explained, way, images[part].to(explained.device), given))
    maps, scores, errors = (torch.cat(column) for column in zip(*parts, strict=True))
    return Attribution(method, maps, scores, errors if way.adds_up else None, layers)


def find_method(method: str) -> Method:
    """Look a method up by its name; raise InputError, which names the nearest, where there is none."""
    if method not in METHODS:
        raise InputError(f"no method is called {method!r}: {suggest(method, list(METHODS))}")
    return METHODS[method]


def _attribute(
    explained: Explained, way: Method, images: Tensor, given: Tensor | tuple[str, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    """Attribute a part: -> maps [n, H, W], scores [n], errors [n], zero where none is claimed."""
    maps = way.run(explained, images, given).float().cpu()
    with torch.no_grad():
        scores = explained(images).float().cpu()
    errors = torch.zeros(len(images))
    if way.adds_up and isinstance(given, Tensor):
        errors = measure_completeness(explained, maps.to(images), images, given).float().cpu()
    return maps, scores, errors
