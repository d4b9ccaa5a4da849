"""The last layer starts from what the network knows, and takes on no more of a scale than predictions are worth."""

import numpy as np
import pytest
import torch

from latentedit.predictors import make_predictor
from latentedit.training.last_layer import fit_scale, rescale_answers, start_at_ridge
from latentedit.training.ridge import fit_ridge

LINEAR, SIGMOID = ("resnet50", {"width": 2, "input_size": 64}), ("latent_mlp", {"width": 2, "input_size": 32})


def make(kind):
    torch.manual_seed(0)
    return make_predictor(kind[0], **kind[1]).eval()


def score(network, images):
    return network(network.preprocess(images)).detach()


@pytest.mark.parametrize("kind", [LINEAR, SIGMOID])
def test_predictions_come_to_the_scale_of_the_scores(kind):
    """Scores are the network's own answers, stretched and shifted: the last layer finds out how."""
    network, images = make(kind), torch.rand(40, 3, 32, 32) * 2 - 1
    before = score(network, images)
    answers = before if kind is LINEAR else before.logit()
    wide = (answers - answers.mean()) / answers.std()
    scores = 0.5 + 0.1 * wide if kind is LINEAR else (0.4 + 0.8 * wide).sigmoid()
    rescale_answers(network, *fit_scale(network, before, scores, float(scores.mean())))
    torch.testing.assert_close(score(network, images), scores, rtol=0, atol=2e-3)
    rescale_answers(network, *fit_scale(network, score(network, images), scores, 0.4))
    assert score(network, images).mean() == pytest.approx(0.4, abs=1e-3), "they lie about the mean of all scores"


def test_predictions_are_never_reversed_nor_all_one():
    network = make(LINEAR)
    predictions = torch.linspace(0, 1, 30)
    slope, shift = fit_scale(network, predictions, 1 - predictions, 0.5)
    assert 0 < slope < 0.02
    assert slope * 0.5 + shift == pytest.approx(0.5, abs=0.01)
    assert np.isfinite(fit_scale(network, torch.full((30,), 0.3), predictions, 0.5)).all()


def test_what_chance_explains_is_taken_from_the_slope():
    network, random = make(LINEAR), torch.Generator().manual_seed(0)

    def fit(slope):
        x, noise = torch.randn(2, 30, generator=random).double()
        fitted = np.polyfit(x, slope * x + noise, 1)[0]
        return fit_scale(network, x, slope * x + noise, 0.0)[0], max(0.01, fitted)

    shrunk, fitted = np.array([fit(0.0) for _ in range(100)]).T
    assert (shrunk <= fitted + 1e-6).all()
    assert (shrunk**2).mean() < 0.6 * (fitted**2).mean(), "predictions that mean nothing come nearer to the mean"
    shrunk, fitted = fit(3.0)
    assert 0.98 * fitted < shrunk < fitted, "predictions that mean much stay as they are"


@pytest.mark.parametrize("kind", [LINEAR, SIGMOID])
def test_it_starts_at_the_ridge_regression_of_what_it_reads(kind):
    network, images = make(kind), torch.rand(40, 3, 32, 32) * 2 - 1
    read = []
    last = network.head if kind is LINEAR else network.head[-2]
    last.register_forward_hook(lambda layer, given, answer: read.append(given[0].double()))
    scores = torch.rand(40) * 0.5 + 0.2
    start_at_ridge(network, lambda: score(network, images), scores)
    wanted = scores.double() if kind is LINEAR else scores.double().logit()
    gram = read[0] @ read[0].t()
    expected = fit_ridge(gram, wanted[:, None]).predict(gram)[:, 0]
    expected = expected if kind is LINEAR else expected.sigmoid()
    torch.testing.assert_close(score(network, images), expected.float(), rtol=0, atol=1e-3)
