"""The last layer takes on the scale of the scores, and no more of it than the predictions are worth."""

import numpy as np
import pytest
import torch

from latentedit.predictors import make_predictor
from latentedit.training.last_layer import fit_scale, rescale_answers

LINEAR, SIGMOID = ("resnet50", {"width": 2, "input_size": 64}), ("latent_mlp", {"width": 2, "input_size": 32})


def make(kind):
    torch.manual_seed(0)
    return make_predictor(kind[0], **kind[1]).eval()


@pytest.mark.parametrize("kind", [LINEAR, SIGMOID])
def test_predictions_come_to_the_scale_of_the_scores(kind):
    """Scores are the network's own answers, stretched and shifted: the last layer finds out how."""
    network, images = make(kind), torch.rand(40, 3, 32, 32) * 2 - 1
    before = network(network.preprocess(images)).detach()
    answers = before if kind is LINEAR else before.logit()
    wide = (answers - answers.mean()) / answers.std()
    scores = 0.5 + 0.1 * wide if kind is LINEAR else (0.4 + 0.8 * wide).sigmoid()
    rescale_answers(network, *fit_scale(network, before, scores))
    torch.testing.assert_close(network(network.preprocess(images)), scores, rtol=0, atol=2e-3)


def test_predictions_are_never_reversed_nor_all_one():
    network = make(LINEAR)
    predictions = torch.linspace(0, 1, 30)
    slope, shift = fit_scale(network, predictions, 1 - predictions)
    assert 0 < slope < 0.02
    assert slope * 0.5 + shift == pytest.approx(0.5, abs=0.01)
    assert np.isfinite(fit_scale(network, torch.full((30,), 0.3), predictions)).all()
