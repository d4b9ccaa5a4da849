"""Whether maps can be believed: weights that are shuffled must change them, and the places they name must count."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.explanation.layers import Explained
from latentedit.statistics import Estimate, resample_faces, spearman, summarise_resamples

CELLS = 8  # squares on a side that are taken away or put in one after the other
SHARES = (1, 3, 5, 7)  # eighths of all cells
NUM_RANDOM = 3  # random orders that a method is held against


@dataclass(frozen=True)
class Faithfulness:
    """How a method's order of places beats random orders, in points of the score: means over images with intervals.

    `deletion`: how much lower the score lies while the places that raise it most give way to the baseline, mean over
    1/8, 3/8, 5/8 and 7/8 of them; `insertion`: how much higher while they come into the baseline.
    """

    deletion: Estimate
    insertion: Estimate

    @property
    def beats_random(self) -> bool:
        return self.deletion.low > 0 and self.insertion.low > 0


def measure_faithfulness(
    explained: Explained, images: Tensor, baselines: Tensor, maps: Mapping[str, Tensor], seed: int = 0
) -> dict[str, Faithfulness]:
    """Hold methods' maps [N, H, W] of the same images against random orders of 8 x 8 cells (after Petsiuk et al. 2018).

    Whole cells, because single pixels out of place are edges that no photograph has.
    """
    random = torch.Generator().manual_seed(seed)
    orders = [torch.rand(len(images), CELLS**2, generator=random).argsort(dim=1) for _ in range(NUM_RANDOM)]
    chance = torch.stack([_follow(explained, images, baselines, order) for order in orders]).mean(dim=0)
    shares = resample_faces(len(images), seed=seed)
    found = {}
    for name, part in maps.items():
        order = F.adaptive_avg_pool2d(part[:, None].float(), CELLS).flatten(1).argsort(dim=1, descending=True)
        gains = (_follow(explained, images, baselines, order) - chance).double().numpy()
        deletion, insertion = (summarise_resamples(shares @ gain) for gain in (-gains[0], gains[1]))
        found[name] = Faithfulness(deletion, insertion)
    return found


@torch.no_grad()
def _follow(explained: Explained, images: Tensor, baselines: Tensor, order: Tensor) -> Tensor:
    """Take cells away, and put them in, in their order: -> mean scores over the shares [2, N]."""
    scores = []
    for share in SHARES:
        mask = _cover(order[:, : CELLS**2 * share // 8], images.shape[-2:]).to(images)
        both = torch.cat([images * (1 - mask) + baselines * mask, images * mask + baselines * (1 - mask)])
        scores.append(explained(both).cpu().unflatten(0, (2, -1)))
    return torch.stack(scores).mean(dim=0)


def _cover(cells: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    """Mark cells by their numbers [N, K] on the image: -> [N, 1, H, W] of 0 and 1."""
    mask = torch.zeros(len(cells), CELLS**2).scatter(1, cells, 1.0)
    return F.interpolate(mask.view(-1, 1, CELLS, CELLS), tuple(size))


def shuffle_weights(explained: Explained, seed: int = 0) -> Explained:
    """Copy a network with the numbers of every weight of two axes or more in a random order."""
    shuffled, random = copy.deepcopy(explained), torch.Generator().manual_seed(seed)
    for tensor in shuffled.state_dict().values():
        if tensor.ndim >= 2:
            order = torch.randperm(tensor.numel(), generator=random)
            tensor.copy_(tensor.flatten()[order].view_as(tensor))
    return shuffled


def compare_maps(maps: Tensor, others: Tensor) -> float:
    """Correlate the ranks of maps' pixels, image by image: [N, H, W] twice -> mean Spearman correlation.

    A map that is the same everywhere counts as unlike any other, 0.
    """
    with np.errstate(invalid="ignore"):
        found = spearman(maps.flatten(1).double().numpy(), others.flatten(1).double().numpy())
    return float(np.nan_to_num(found).mean())
