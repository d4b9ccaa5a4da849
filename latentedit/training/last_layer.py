"""The layer that gives a predictor's number: where it starts, and how it is brought to scale at the end."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from latentedit.predictors import Predictor
from latentedit.statistics import Floats

LEAST_SLOPE = 0.01  # predictions are never reversed, nor all brought to one number
ENDS = (0.01, 0.99)  # of scores that a sigmoid is to reach


def start_at_mean(network: Predictor, mean: float) -> None:
    """Set the last layer's bias so that a network that sees nothing yet says the mean of the scores."""
    start = torch.tensor(mean)
    with torch.no_grad():
        _find_bias(network).fill_(start if network.link == "linear" else start.clamp(*ENDS).logit())


def fit_scale(network: Predictor, predictions: Tensor, scores: Tensor) -> tuple[float, float]:
    """Find the slope and the shift of the last layer's answers that bring predictions [N] nearest to scores [N].

    Least squares, of the scores themselves also behind a sigmoid.
    """
    from scipy.optimize import least_squares

    y = scores.double().numpy()
    answers = predictions.double() if network.link == "linear" else predictions.double().logit(1e-6)
    center = float(answers.mean())
    z = (answers - center).numpy()

    def apply(slope: float, level: float) -> Floats:
        moved: Floats = level + slope * z
        return moved if network.link == "linear" else 1 / (1 + np.exp(-moved))

    start = y.mean() if network.link == "linear" else float(torch.tensor(y.mean()).clamp(*ENDS).logit())
    bounds = ([LEAST_SLOPE, -np.inf], np.inf)
    slope, level = least_squares(lambda x: apply(*x) - y, [1.0, start], bounds=bounds).x
    return float(slope), float(level - slope * center)


def rescale_answers(network: Predictor, slope: float, shift: float) -> None:
    """Multiply the last layer's answers by a slope and add a shift."""
    bias = _find_bias(network)
    with torch.no_grad():
        _find_last(network).weight.mul_(slope)
        bias.mul_(slope).add_(shift)


def _find_last(network: Predictor) -> nn.Linear:
    """Find the layer with one answer, the last of its kind."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear) and layer.out_features == 1][-1]


def _find_bias(network: Predictor) -> Tensor:
    return cast(Tensor, _find_last(network).bias)
