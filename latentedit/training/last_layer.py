"""The layer that gives a predictor's number: where it starts, and how it is brought to scale at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from latentedit.predictors import Predictor
from latentedit.statistics import Floats
from latentedit.training.ridge import fit_ridge

LEAST_SLOPE = 0.01  # predictions are never reversed, nor all brought to one number
ENDS = (0.01, 0.99)  # of scores that a sigmoid is to reach


def start_at_mean(network: Predictor, mean: float) -> None:
    """Set the last layer's bias so that a network that sees nothing yet says the mean of the scores."""
    with torch.no_grad():
        _find_bias(network).fill_(float(_answer(network, torch.tensor(mean))))


def start_at_ridge(network: Predictor, predict: Callable[[], Tensor], scores: Tensor) -> None:
    """Set the last layer to the ridge regression of scores [N] on what it reads while `predict` scores their images.

    So what a network learned elsewhere is not lost while a random layer on top of it learns. Source: Kumar et al.
    2022, "Fine-tuning can distort pretrained features and underperform out-of-distribution".
    """
    last, read = _find_last(network), list[Tensor]()
    handle = last.register_forward_pre_hook(lambda _, given: read.append(given[0].detach().cpu().double()))
    try:
        predict()
    finally:
        handle.remove()
    features = torch.cat(read)
    ridge = fit_ridge(features @ features.t(), _answer(network, scores).double()[:, None])
    with torch.no_grad():
        last.weight.copy_(ridge.dual.t() @ features)
        last.bias.copy_(ridge.bias)


def fit_scale(network: Predictor, predictions: Tensor, scores: Tensor, mean: float) -> tuple[float, float]:
    """Find the slope and the shift of the last layer's answers that bring predictions [N] nearest to scores [N].

    Least squares, of the scores themselves also behind a sigmoid. What chance alone explains of scores is taken from
    the slope (James & Stein 1961), and predictions come to lie about `mean`, that of all scores at hand.
    """
    from scipy.optimize import brentq, least_squares

    y = scores.double().numpy()
    answers = predictions.double() if network.link == "linear" else predictions.double().logit(1e-6)
    center = float(answers.mean())
    z = (answers - center).numpy()

    def apply(slope: float, level: float) -> Floats:
        moved: Floats = level + slope * z
        return moved if network.link == "linear" else 1 / (1 + np.exp(-moved))

    start = float(_answer(network, torch.tensor(mean)))
    slope = least_squares(lambda x: apply(*x) - y, [1.0, start], bounds=([LEAST_SLOPE, -np.inf], np.inf)).x[0]
    slope = max(LEAST_SLOPE, slope * _share_beyond_chance(z, y))
    aim, reach = float(np.clip(mean, *ENDS)) if network.link == "sigmoid" else mean, 1 + slope * np.abs(z).max()
    level = brentq(lambda level: apply(slope, level).mean() - aim, start - reach, start + reach)
    return float(slope), float(level - slope * center)


def _share_beyond_chance(z: Floats, y: Floats) -> float:
    """Estimate which part of a fitted slope is none of chance's: 1 - 1 / F, at least 0."""
    with np.errstate(invalid="ignore"):
        r = max(0.0, float(np.nan_to_num(np.corrcoef(z, y)[0, 1])))
    return max(0.0, 1 - (1 - r**2) / ((len(z) - 2) * r**2)) if r else 0.0


def rescale_answers(network: Predictor, slope: float, shift: float) -> None:
    """Multiply the last layer's answers by a slope and add a shift."""
    bias = _find_bias(network)
    with torch.no_grad():
        _find_last(network).weight.mul_(slope)
        bias.mul_(slope).add_(shift)


def _answer(network: Predictor, scores: Tensor) -> Tensor:
    """Say what the last layer is to answer for scores: [...] -> [...]."""
    return scores if network.link == "linear" else scores.clamp(*ENDS).logit()


def _find_last(network: Predictor) -> nn.Linear:
    """Find the layer with one answer, the last of its kind."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear) and layer.out_features == 1][-1]


def _find_bias(network: Predictor) -> Tensor:
    return cast(Tensor, _find_last(network).bias)
