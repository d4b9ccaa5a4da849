"""Photographs that others inverted to FFHQ's W+, and published directions: shapes, layers and sums are exact."""

import numpy as np
import pytest
import torch

import latentedit as le
from latentedit.addresses import load_direction, load_directions
from latentedit.latents import read_latents


@pytest.fixture
def codes(shared):
    return read_latents(shared / "reference" / "ffhq-codes" / "stylegan2-ffhq-1024-wplus.npy")


@pytest.mark.parametrize("layers", [None, (4, 5, 6, 7), (0, 17)])
@pytest.mark.parametrize("name", ["age.pt", "smile.pt", "pose.pt"])
def test_published_directions_move_published_codes(shared, codes, name, layers):
    path = shared / "reference" / "ffhq-directions" / "e4e" / name
    published = torch.load(path, "cpu", weights_only=True).numpy().reshape(-1, 512)
    moved = le.edit(codes, load_direction(path, None), 3.0, layers, unit="raw")
    assert moved.shape == (68, 18, 512)
    expected = codes.numpy() + np.float32(3) * published  # as e4e itself adds it
    chosen = list(layers or range(18))
    assert np.array_equal(moved[:, chosen].numpy(), expected[:, chosen])
    rest = [i for i in range(18) if i not in chosen]
    assert torch.equal(moved[:, rest], codes[:, rest])


def test_alphas_and_components_add_up(shared, codes, tmp_path):
    first, second = load_directions(f"{shared / 'reference' / 'ffhq-directions' / 'e4e' / 'ffhq_pca.pt'}:0-1", None)
    both = le.edit(le.edit(codes, first, 2.0, unit="raw"), second, -1.0, unit="raw")
    step = 2.0 * first.vector - second.vector
    assert torch.allclose(both - codes, step.float().expand_as(codes), atol=1e-5)
    sweep = le.sweep(codes[:3], first, [-2.0, 0.0, 2.0], unit="raw")
    assert sweep.ws.shape == (3, 3, 18, 512)
    assert torch.equal(sweep.ws[:, 1], codes[:3])
    le.save_latents(tmp_path / "codes.npz", both)
    assert np.array_equal(np.load(tmp_path / "codes.npz")["w"], both.numpy())
