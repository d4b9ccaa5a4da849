"""What every bundled assessor promises that sees by itself; tests/predictors/test_deep.py has the one that borrows."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.errors import InputError
from latentedit.predictors import ASSESSORS, BORROWING, OmiAssessor, load_assessor, load_scorer
from latentedit.scoring import score

pytestmark = pytest.mark.parametrize("predictor", sorted(set(ASSESSORS) - BORROWING))


@pytest.fixture
def assessor(predictor: str) -> OmiAssessor:
    return load_assessor(predictor)


@pytest.fixture
def images() -> Tensor:
    """Smooth random colours, about as contrasty as faces: [6, 3, 64, 64]."""
    noise = torch.randn(6, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    return F.interpolate(0.4 * noise, size=(64, 64), mode="bicubic").clamp(-1, 1)


def test_ratings_are_finite_and_sane(assessor: OmiAssessor, images: Tensor) -> None:
    low, high = assessor.range
    ratings = assessor(images)
    assert ratings.shape == (6, len(assessor.attributes))
    assert ratings.min() > low - (high - low)
    assert ratings.max() < high + (high - low)


def test_a_face_scores_the_same_in_any_batch(assessor: OmiAssessor, images: Tensor) -> None:
    alone = torch.cat([assessor(image[None]) for image in images])
    assert torch.equal(assessor(images), alone)
    assert torch.equal(assessor(images.flip(0)).flip(0), alone)


def test_leading_axes_are_kept(assessor: OmiAssessor, images: Tensor) -> None:
    ratings = assessor(images)
    assert torch.equal(assessor(images.reshape(2, 3, 3, 64, 64)), ratings.reshape(2, 3, -1))
    assert torch.equal(assessor(images[0]), ratings[0])


def test_mirror_images_score_the_same(assessor: OmiAssessor, images: Tensor) -> None:
    torch.testing.assert_close(assessor(images.flip(-1)), assessor(images), rtol=0, atol=0.05)


def test_enlarging_hardly_changes_the_score(assessor: OmiAssessor, images: Tensor) -> None:
    large = F.interpolate(images, size=(256, 256), mode="nearest")
    shift = (assessor(large) - assessor(images)).abs().mean()
    assert shift < 0.2 * assessor(images).std(dim=0).mean()


def test_gradients_match_finite_differences(predictor: str, images: Tensor) -> None:
    scorer = load_scorer(predictor)
    face = images[:1].requires_grad_()
    (gradient,) = torch.autograd.grad(scorer(face).sum(), face)
    assert torch.isfinite(gradient).all()
    step = 0.02 * gradient / gradient.norm()
    with torch.no_grad():
        rise = scorer(face + step) - scorer(face - step)
    torch.testing.assert_close(rise[0], 2 * (step * gradient).sum(), rtol=0.05, atol=0)


def test_a_blank_image_has_a_finite_gradient(predictor: str) -> None:
    blank = torch.zeros(1, 3, 64, 64, requires_grad=True)
    (gradient,) = torch.autograd.grad(load_scorer(predictor)(blank).sum(), blank)
    assert torch.isfinite(gradient).all()


def test_a_scorer_is_one_column(predictor: str, assessor: OmiAssessor, images: Tensor) -> None:
    for i, attribute in enumerate(assessor.attributes):
        scorer = load_scorer(f"{predictor}:{attribute}")
        assert scorer.name == f"{predictor}:{attribute}"
        assert scorer.range == assessor.range
        assert torch.equal(score(scorer, images), assessor(images)[:, i])


def test_a_matched_scorer_stretches_scores_about_the_mean_rating(predictor: str, images: Tensor) -> None:
    plain, matched = load_scorer(f"{predictor}:age"), load_scorer(f"{predictor}:age:matched")
    assert matched.name == f"{predictor}:age:matched"
    scores, stretched = plain(images), matched(images)
    assert stretched.std() > 1.05 * scores.std()
    assert torch.equal(stretched.argsort(), scores.argsort())
    torch.testing.assert_close(matched.interval(stretched), plain.interval(scores))
    assert load_scorer(f"{predictor}:matched").name == f"{predictor}:memorable:matched"


def test_an_interval_surrounds_its_score_within_the_scale(predictor: str) -> None:
    scorer = load_scorer(predictor)
    scores = torch.tensor([[-5.0, 2.0], [50.0, 99.0]])
    low, high = scorer.interval(scores).unbind(dim=-1)
    inside = scores.clamp(0, 100)
    assert ((low <= inside) & (inside <= high)).all()
    assert ((low >= 0) & (high <= 100)).all()
    assert 5 < high[1, 0] - low[1, 0] < 60


def test_mistakes_name_what_is_near(predictor: str, assessor: OmiAssessor) -> None:
    attribute = assessor.attributes[0]
    with pytest.raises(InputError, match=f"'{attribute}x': did you mean {attribute}"):
        load_scorer(f"{predictor}:{attribute}x")
    with pytest.raises(InputError, match=f"'{predictor}x': did you mean {predictor}"):
        load_scorer(f"{predictor}x")
    with pytest.raises(InputError, match=f"'zzz': choose from .*{predictor}"):
        load_scorer("zzz")


def test_images_too_small_or_without_colour_are_refused(assessor: OmiAssessor) -> None:
    for shape in ([1, 3, 16, 16], [1, 1, 64, 64], [64, 64]):
        with pytest.raises(InputError, match=r"give \[\.\.\., 3, H, W\] from 32 px on"):
            assessor(torch.zeros(shape))
