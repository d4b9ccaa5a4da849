"""What the tests of checkpoints share: the reference files and a small generator."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latentedit.networks import Generator, GeneratorConfig


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of reference files, made for this project with random weights."""
    return Path(__file__).parents[1] / "data"


@pytest.fixture(scope="session")
def tiny_generator() -> Generator:
    """A 16 px generator with random weights, noise and w_avg."""
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(16, (6, 5, 4), z_dim=7, w_dim=8, num_mapping_layers=2, conv_clamp=256.0))
    for parameter in generator.parameters():
        parameter.data += torch.randn_like(parameter)
    generator.mapping.w_avg += torch.randn(8)
    return generator.eval().requires_grad_(False)
