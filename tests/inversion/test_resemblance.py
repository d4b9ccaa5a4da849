"""The losses against their formulas."""

import numpy as np
import pytest
import torch

from latentedit.errors import InputError
from latentedit.inversion import resemblance
from latentedit.inversion.resemblance import compare, describe, describe_loss, load_loss, shrink
from latentedit.predictors.perception import LPIPS


@pytest.fixture
def faces():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_loss_is_the_mean_over_octaves_of_pixels_and_gradients(faces):
    a, b = faces[:1], faces[1:2]
    expected, difference = 0.0, (a - b)[0].numpy().astype(float)
    for _ in range(3):  # 32, 16 and 8 px
        squares = [difference**2, (2 * np.diff(difference, axis=1)) ** 2, (2 * np.diff(difference, axis=2)) ** 2]
        expected += sum(square.sum() for square in squares) / difference.size / 3
        difference = difference.reshape(3, len(difference[0]) // 2, 2, -1, 2).mean(axis=(2, 4))
    assert float(compare(a, describe(b))) == pytest.approx(expected, rel=1e-5)
    assert float(compare(a, describe(a))) == 0


def test_large_images_are_averaged_down_first(faces):
    assert shrink(faces, 16).shape == (3, 3, 16, 16)
    assert torch.allclose(shrink(faces, 16)[0, 0, 0, 0], faces[0, 0, :2, :2].mean())
    assert torch.equal(shrink(faces, 32), faces)
    assert torch.allclose(describe(faces, 16), describe(shrink(faces, 16)))


@pytest.fixture
def lpips(monkeypatch):
    """LPIPS with random weights, none below zero as in the published ones."""
    torch.manual_seed(0)
    network = LPIPS("squeeze").eval().requires_grad_(False)
    for i in range(len(network.taps)):
        network.get_parameter(f"lin{i}.model.1.weight").abs_()
    monkeypatch.setattr(resemblance, "load_lpips", {"squeeze": network}.__getitem__)
    return network


def test_lpips_is_added_where_it_is_asked_for(lpips, faces):
    faces = faces.repeat(1, 1, 2, 2)
    loss = load_loss("lpips-squeeze", faces[:2])
    images = faces[1:]
    expected = lpips(images, faces[:2]) + compare(images, describe(faces[:2]))
    assert torch.allclose(loss(images), expected, rtol=1e-4)
    assert lpips(images, faces[:2]).min() > 1e-3
    assert torch.equal(loss(faces[:2]), torch.zeros(2))
    assert torch.allclose(load_loss("multiscale", faces[:2])(images), compare(images, describe(faces[:2])))


def test_the_output_says_which_loss_it_was(lpips):
    assert "no LPIPS weights" in describe_loss("multiscale")
    assert describe_loss("lpips-vgg").startswith("lpips-vgg: LPIPS")


def test_an_unknown_loss_is_refused(faces):
    with pytest.raises(InputError, match="loss 'ssim' is not known: choose one of multiscale, lpips-squeeze"):
        load_loss("ssim", faces)
