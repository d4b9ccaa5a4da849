"""Which moment of the way each frame shows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.vocabulary import EASINGS, Easing


def ease(count: int, easing: Easing = "ease-in-out") -> list[float]:
    """Spread `count` moments over [0, 1], both ends included: evenly, or slower where it starts, ends or both."""
    if easing not in EASINGS:
        raise InputError(f"easing {easing!r} is not known: choose one of {', '.join(EASINGS)}")
    if count < 2:
        raise InputError(f"{count} frames: a way from one end to the other needs two at least")
    return [_bend(i / (count - 1), easing) for i in range(count)]


def _bend(t: float, easing: Easing) -> float:
    """Map the time t in [0, 1] to the share of the way: CSS's words, by parabolas and the smoothstep 3t^2 - 2t^3."""
    ways = {"linear": t, "ease-in": t * t, "ease-out": t * (2 - t), "ease-in-out": t * t * (3 - 2 * t)}
    return ways[easing]


def ping_pong(moments: Sequence[float]) -> list[float]:
    """Go there and back, no end shown twice, so that the last frame leads to the first."""
    return [*moments, *moments[-2:0:-1]]


def legs(num_keys: int, count: int, easing: Easing = "ease-in-out", loop: bool = False) -> list[float]:
    """Lay moments from key to key, `count` a leg: -> positions in [0, num_keys - 1], or up to num_keys in a loop.

    Position 1.25 is a quarter of the way from key 1 to key 2. A loop goes on from the last key to
    the first and ends just before it.
    """
    num_legs = num_keys if loop else num_keys - 1
    if num_legs < 1 or num_keys < 2:
        raise InputError(f"{num_keys} faces: a way from face to face needs two at least")
    moments = ease(count + 1, easing)[:-1]
    positions = [leg + moment for leg in range(num_legs) for moment in moments]
    return positions if loop else [*positions, float(num_legs)]


def interpolate(keys: Tensor, positions: Sequence[float]) -> Tensor:
    """Move straight from key to key: [K, ...] and F positions in [0, K], K being the first again -> [F, ...].

    Source: linear interpolation in W (Karras et al. 2019, section 4.1), which a mapping network straightens.
    """
    if min(positions) < 0 or max(positions) > len(keys):
        raise InputError(f"positions {min(positions):g} to {max(positions):g}: there are {len(keys)} keys to go along")
    at = torch.tensor(positions, dtype=torch.float64)
    start = at.floor().long()
    share = (at - start).to(keys).reshape(-1, *[1] * (keys.ndim - 1))
    return torch.lerp(keys[start % len(keys)], keys[(start + 1) % len(keys)], share)
