import pytest
import torch

from latentedit.evaluation import cosine_of, ms_ssim
from latentedit.evaluation.similarity import describe_coarsely


@pytest.fixture(scope="module")
def images():
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("side", [8, 16, 64, 200])
def test_equal_images_are_alike_at_any_size(side):
    images = torch.rand(2, 3, side, side) * 2 - 1
    assert ms_ssim(images, images) == pytest.approx([1, 1])


def test_more_noise_is_less_alike_either_way_round(images):
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    likeness = [ms_ssim(images, images + amount * noise) for amount in (0.05, 0.2, 0.8)]
    assert (likeness[0] > likeness[1]).all()
    assert (likeness[1] > likeness[2]).all()
    assert torch.allclose(ms_ssim(images + 0.2 * noise, images), likeness[1])


def test_one_scale_is_the_formula_on_a_single_window():
    x, y = torch.rand(2, 1, 1, 11, 11, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    y = 0.5 * x + 0.3 * y
    places = torch.arange(11.0, dtype=torch.float64) - 5
    row = torch.exp(-places.square() / 4.5)
    window = row[:, None] * row / (row.sum() ** 2)
    mean_x, mean_y = (window * x).sum(), (window * y).sum()
    var_x, var_y = (window * (x - mean_x).square()).sum(), (window * (y - mean_y).square()).sum()
    cov = (window * (x - mean_x) * (y - mean_y)).sum()
    expected = (2 * mean_x * mean_y + 1e-4) * (2 * cov + 9e-4)
    expected /= (mean_x**2 + mean_y**2 + 1e-4) * (var_x + var_y + 9e-4)
    assert float(ms_ssim(2 * x - 1, 2 * y - 1)) == pytest.approx(float(expected))


def test_an_embedding_compares_by_its_cosine(images):
    compare = cosine_of(lambda x: x.mean(dim=[2, 3]))
    assert compare(images, 3 * images) == pytest.approx([1, 1, 1])
    assert compare(images, -images) == pytest.approx([-1, -1, -1])


def test_coarse_features_are_few_and_of_any_size(images):
    features = describe_coarsely(images)
    assert features.shape == (3, 540)
    assert not torch.allclose(features[0], features[1])
    assert describe_coarsely(images[:, :, :16, :16]).shape == (3, 540)
