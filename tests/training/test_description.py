"""Damping, the views it is learned from, the patches, and the folds."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from latentedit.predictors.features import FeatureConfig, GradientFeatures
from latentedit.predictors.placement import Placement
from latentedit.training.description import damp, describe_faces
from latentedit.training.dictionary import cluster_directions, fit_whitening
from latentedit.training.ratings import deal_folds
from latentedit.training.views import VIEWS, shift

COARSE = FeatureConfig(img_resolution=32, octaves=1, cells=(8,), colour_resolution=4)
STILL = Placement(COARSE, torch.zeros(COARSE.num_features), torch.zeros(COARSE.num_features, 2))
RANDOM = torch.Generator().manual_seed(0)


def test_damping_is_the_inverse_it_states() -> None:
    features, changes = torch.randn(4, 6, generator=RANDOM).double(), torch.randn(3, 6, generator=RANDOM).double()
    inverse = torch.linalg.inv(torch.eye(6).double() + 2.5 * changes.t() @ changes)
    torch.testing.assert_close(damp(features, changes, 2.5), features @ inverse)


def test_strong_damping_leaves_nothing_along_a_change_and_everything_across() -> None:
    changes = torch.eye(4).double()[:2]
    damped = damp(torch.ones(1, 4).double(), changes, 1e9)
    torch.testing.assert_close(damped, torch.tensor([[0.0, 0.0, 1.0, 1.0]]).double(), atol=1e-6, rtol=0)


def test_blocks_weigh_alike_and_variances_add_up_to_one() -> None:
    images = torch.randint(0, 256, (12, 3, 64, 64), generator=RANDOM, dtype=torch.uint8)
    features = GradientFeatures(FeatureConfig(img_resolution=32, octaves=1, cells=(8,)))
    description = describe_faces(images, features, STILL, quiet=True)
    assert description.features.var(dim=0, correction=0).sum() == pytest.approx(1, rel=1e-4)
    colours = description.features[:, -3 * 32**2 :]
    assert colours.var(dim=0, correction=0).sum() == pytest.approx(1 / 2, rel=1e-4)
    assert torch.equal(description.gram, description.gram.t())


class CountedFeatures(nn.Module):
    """Describe faces by their colours, and count them."""

    config = FeatureConfig()

    def __init__(self, symmetric: bool, sparing: int) -> None:
        super().__init__()
        self.symmetric, self.sparing, self.count = symmetric, sparing, 0

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        self.count += len(images)
        return [images.mean(dim=(2, 3))]


def test_features_that_are_symmetric_and_slow_are_asked_once_and_for_fewer_faces() -> None:
    images = torch.zeros(30, 3, 64, 64, dtype=torch.uint8)
    quick, slow = CountedFeatures(False, 1), CountedFeatures(True, 3)
    for features in (quick, slow):
        describe_faces(images, features, STILL, quiet=True)
    assert quick.count == 2 * (30 + 27 + 27)
    assert slow.count == 30 + 9 + 9


def test_views_keep_the_face() -> None:
    face = torch.rand(1, 3, 256, 256, generator=RANDOM) * 2 - 1
    assert torch.equal(shift(4, 0)(face)[..., 4:], face[..., :-4])
    assert torch.equal(shift(0, -4)(face)[..., :-4, :], face[..., 4:, :])
    assert torch.equal(shift(-3, 2)(shift(3, -2)(face))[..., 8:-8, 8:-8], face[..., 8:-8, 8:-8])
    smooth = torch.nn.functional.interpolate(face, size=(8, 8), mode="area")
    for name, view in VIEWS.items():
        seen = view(torch.nn.functional.interpolate(smooth, size=(256, 256), mode="bicubic"))
        assert seen.shape[-1] == (int(name[:3]) if name[:3].strip() in ("128", "64") else 256)
        small = torch.nn.functional.interpolate(seen, size=(8, 8), mode="area")
        assert (small - (smooth.flip(-1) if name == "mirrored" else smooth)).abs().max() < 0.1


def test_whitened_patches_have_unit_variance_in_every_direction() -> None:
    mixed = torch.randn(5000, 6, generator=RANDOM) @ torch.randn(6, 6, generator=RANDOM) * 20
    center, whitening = fit_whitening(mixed)
    covariance = torch.cov(((mixed - center) @ whitening).t())
    torch.testing.assert_close(covariance, torch.eye(6), atol=0.02, rtol=0)
    assert torch.equal(whitening, whitening.t()) or torch.allclose(whitening, whitening.t(), atol=1e-6)


def test_clustering_finds_the_axes_that_points_lie_on() -> None:
    axes = torch.linalg.qr(torch.randn(5, 5, generator=RANDOM))[0][:3]
    signs = torch.randn(600, 1, generator=RANDOM)
    points = signs * axes.repeat(200, 1) + 0.01 * torch.randn(600, 5, generator=RANDOM)
    atoms = cluster_directions(points, 12, torch.Generator().manual_seed(1))
    assert ((axes @ atoms.t()).abs().amax(dim=1) > 0.999).all()


def test_folds_of_the_rated_faces_are_fixed_and_other_ones_for_each_assessor() -> None:
    stimuli = tuple(map(str, range(1, 1005)))
    omi, patches, deep = (deal_folds(stimuli, name, seed) for name, seed in (("omi", 0), ("patches", 5), ("deep", 1)))
    assert torch.equal(omi, deal_folds(stimuli, "omi", seed=7))
    for folds in (*omi, *patches, *deep):
        assert set(folds.bincount().tolist()) == {200, 201}
    for one, other in itertools.chain(itertools.product(omi, patches), itertools.product((*omi, *patches), deep)):
        assert (one != other).double().mean() > 0.7


def test_folds_of_other_faces_are_dealt_evenly_by_the_seed() -> None:
    stimuli = tuple("abcdefghijkl")
    folds = deal_folds(stimuli, "omi", 0)
    assert folds.shape == (3, 12)
    assert all(set(repeat.bincount().tolist()) == {2, 3} for repeat in folds)
    assert torch.equal(folds, deal_folds(stimuli, "omi", 0))
    assert not torch.equal(folds, deal_folds(stimuli, "omi", 1))
