"""Initial weights: the same bits for the same seed, whoever draws them."""

from __future__ import annotations

import math

import torch

from latentedit.networks import Generator, StyleGAN3Config
from latentedit.networks.layers import FullyConnectedLayer


def test_initial_weights_are_those_of_randn() -> None:
    torch.manual_seed(3)
    layer = FullyConnectedLayer(50, 40, lr_multiplier=0.01)
    torch.manual_seed(3)
    assert torch.equal(layer.weight, torch.randn(40, 50) / 0.01)


def test_initial_frequencies_are_what_they_were() -> None:
    """Radius, then angle, then the weights, then the phases."""
    torch.manual_seed(3)
    generator = Generator(StyleGAN3Config(16, (500, 4, 3), z_dim=5, w_dim=6))
    torch.manual_seed(3)
    for _ in range(2):  # the mapping network's layers
        torch.randn(6, 5 if _ == 0 else 6)
    radii, angles = 2 * torch.rand(500).sqrt(), 2 * math.pi * torch.rand(500)
    features = generator.synthesis.get_submodule("input")
    assert torch.equal(features.freqs, torch.stack([radii * angles.cos(), radii * angles.sin()], dim=1))
    assert torch.equal(features.weight, torch.randn(500, 500))
    torch.randn(4, 6)
    assert torch.equal(features.phases, torch.rand(500) - 0.5)
    assert torch.equal(features.transform, torch.eye(3))
    assert features.affine.bias.tolist() == [1, 0, 0, 0]


def test_on_the_meta_device_no_number_is_drawn() -> None:
    before = torch.get_rng_state()
    with torch.device("meta"):
        generator = Generator(StyleGAN3Config(16, (5, 4, 3), z_dim=5, w_dim=6))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.is_meta for parameter in generator.synthesis.L0_36_5.parameters())
    assert not generator.synthesis.L0_36_5.up_filter.is_meta  # the config tells it
