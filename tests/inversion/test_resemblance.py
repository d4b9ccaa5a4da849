"""The loss against its formula."""

import numpy as np
import pytest
import torch

from latentedit.inversion.resemblance import compare, describe, shrink


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
