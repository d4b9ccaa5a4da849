"""How well people agree: split halves, and what they come to for all raters."""

import numpy as np
import pytest

from latentedit.agreement import Responses, human_ceiling, read_responses
from latentedit.errors import InputError


def simulate(num_images, num_raters, noise, seed=0):
    """Let every rater rate every image, with noise: -> responses and their means."""
    random = np.random.default_rng(seed)
    truth = random.normal(size=num_images)
    values = truth[:, None] + noise * random.normal(size=(num_images, num_raters))
    images, raters = np.indices(values.shape).reshape(2, -1)
    return Responses(images, raters, values.ravel()), truth, values.mean(axis=1)


def test_the_ceiling_is_what_a_perfect_predictor_reaches():
    """The reliability of a mean of k raters is k / (k + noise^2); the truth correlates with it as its root."""
    responses, truth, means = simulate(1500, 20, noise=3.0)
    ceiling = human_ceiling(responses, num_splits=30)
    assert ceiling.reliability.value == pytest.approx(20 / (20 + 9), abs=0.03)
    assert ceiling.split_half.value == pytest.approx(10 / (10 + 9), abs=0.03)
    assert ceiling.limit == pytest.approx(np.corrcoef(truth, means)[0, 1], abs=0.03)
    assert (ceiling.num_images, ceiling.num_raters) == (1500, 20)


def test_raters_are_halved_and_not_responses():
    """Raters who only differ in how high they rate all images agree perfectly."""
    images, raters = np.indices((30, 6)).reshape(2, -1)
    ceiling = human_ceiling(Responses(images, raters, images + 100.0 * raters))
    assert ceiling.split_half.low == pytest.approx(1)


def test_responses_are_read(tmp_path):
    path = tmp_path / "single.csv"
    path.write_text("image,participant,response\nb.jpg,x,1\na.jpg,x,0\nb.jpg,y,1\n")
    found = read_responses(path)
    assert found.images.tolist() == [1, 0, 1]
    assert found.raters.tolist() == [0, 0, 1]
    assert found.values.tolist() == [1, 0, 1]
    path.write_text("image,participant,response\na.jpg,x,nan\n")
    with pytest.raises(InputError, match="no finite number"):
        read_responses(path)


def test_one_rater_is_no_ceiling():
    rows = np.arange(5)
    with pytest.raises(InputError, match="one rater can't be halved"):
        human_ceiling(Responses(rows, rows * 0, rows * 1.0))
    with pytest.raises(InputError, match="share too few images"):
        human_ceiling(Responses(rows, rows, rows * 1.0))
