"""Which channels of StyleSpace an attribute asks for."""

from __future__ import annotations

import torch
from torch import Tensor

from latentedit.discovery.coordinates import choose_coordinates
from latentedit.discovery.labels import label_scores
from latentedit.errors import InputError
from latentedit.networks import Generator

SMALLEST_SPREAD = 1e-6  # of a channel, relative to the widest: a dead one


def rank_channels(
    generator: Generator, styles: Tensor, scores: Tensor, num: int = 10, labels: str = "quantile:0.1"
) -> list[tuple[str, float]]:
    """Rank channels by how surely those of high faces differ from all: styles [N, num_styles], scores [N] -> `9_6`, t.

    A channel's t is the mean of (style - population mean) / population SD over the high faces, divided
    by their SD; its sign says which way the score rises. `--direction 9_6` moves one.
    Source: Wu et al. 2021, "StyleSpace analysis", section 5 (there from a few dozen exemplars).
    """
    coordinates = choose_coordinates(generator.config, "s", None)
    values = scores.cpu().double()
    if len(values) != len(styles) or not values.isfinite().all() or values.min() == values.max():
        raise InputError(f"{len(styles)} styles and {len(values)} scores: give as many, finite and not all the same")
    high = torch.from_numpy(label_scores(values.numpy(), labels).high)
    if int(high.sum()) < 2:
        raise InputError(f"labels {labels!r} leave {int(high.sum())} high faces: give more faces")
    relative = standardize(coordinates.flatten(styles).cpu().double())[high]
    strength = relative.mean(dim=0) / relative.std(dim=0).clamp_min(SMALLEST_SPREAD)
    order = strength.abs().argsort(descending=True)[:num].tolist()
    return [(_name_channel(generator, i), float(strength[i])) for i in order]


def standardize(styles: Tensor) -> Tensor:
    """Bring every channel to mean 0 and SD 1, dead ones to 0: [N, num_styles] -> same."""
    spread = styles.std(dim=0)
    alive = spread > SMALLEST_SPREAD * spread.max()
    return (styles - styles.mean(dim=0)) * alive / spread.where(alive, torch.ones_like(spread))


def _name_channel(generator: Generator, place: int) -> str:
    """Name a place among all styles side by side as layer_channel."""
    for number, layer in enumerate(generator.config.style_layers):
        if place < layer.start + layer.width:
            return f"{number}_{place - layer.start}"
    raise IndexError(place)
