"""A scorer whose reasons are known: it is linear, and reads a few planted pixels only."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from latentedit.explanation import Explained
from latentedit.predictors import load_scorer

PLANTED = (slice(8, 16), slice(16, 32))  # rows and columns of 32 x 32 px


class PlantedScorer(nn.Module):
    """Add up the planted pixels' brightness: images [N, 3, 32, 32] -> [N]."""

    name, range = "planted", (0.0, 100.0)

    def __init__(self) -> None:
        super().__init__()
        mask = torch.zeros(1, 3, 32, 32)
        mask[..., PLANTED[0], PLANTED[1]] = 1
        self.register_buffer("mask", mask)
        self.mix = nn.Conv2d(3, 2, 1, bias=False)
        self.mix.weight = nn.Parameter(torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]])[..., None, None])
        self.shrink = nn.AvgPool2d(2)

    def forward(self, images: Tensor) -> Tensor:
        return self.shrink(self.mix((images + 1) / 2 * self.mask)).sum(dim=(1, 2, 3))


@pytest.fixture
def planted() -> PlantedScorer:
    return PlantedScorer().eval()


@pytest.fixture
def pictures() -> Tensor:
    """Three images [3, 3, 32, 32] in [-1, 1]."""
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="session")
def omi() -> Explained:
    return Explained(load_scorer("omi"))


@pytest.fixture(scope="session")
def patches() -> Explained:
    return Explained(load_scorer("patches"))
