"""The loss and the figures against their formulas."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from latentedit.inversion.resemblance import compare, describe, ms_ssim, shrink, squared_error


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


def test_ssim_of_one_scale_is_the_papers():
    a, b = torch.rand(2, 1, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    x, y = ((image[0].double().numpy() + 1) / 2 for image in (a, b))

    def blur(image):
        return np.stack([gaussian_filter(channel, 1.5, truncate=5 / 1.5)[5:-5, 5:-5] for channel in image])

    mx, my = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    ssim = (2 * mx * my + 1e-4) * (2 * vxy + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    assert float(ms_ssim(a, b)) == pytest.approx(ssim.mean().clip(0), abs=1e-5)


def test_ms_ssim_falls_with_noise_and_keeps_faces_apart(faces):
    smooth = torch.nn.functional.interpolate(faces[:2, :, :8, :8], (64, 64), mode="bicubic")
    noise = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    same, slightly, badly = (ms_ssim(smooth + amount * noise, smooth) for amount in (0, 0.05, 0.3))
    assert torch.allclose(same, torch.ones(2))
    assert (same > slightly).all()
    assert (slightly > badly).all()
    assert float(ms_ssim(smooth, smooth.flip(0))[0]) < 0.6


def test_l2_is_a_mean_square(faces):
    assert squared_error(faces, faces + 0.5).tolist() == pytest.approx([0.25] * 3)
