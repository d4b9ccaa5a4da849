"""A direction from differentiable scorers: the average gradient of one along w, off those of the scores to keep."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.networks import Generator
from latentedit.predictors import score_together
from latentedit.scoring import Scorer


def average_gradients(
    generator: Generator, scorers: Sequence[Scorer], ws: Tensor, chunk: int = 16, quiet: bool = True
) -> Tensor:
    """Compute E[d score(G(w)) / dw], through generator and scorers: ws [N, num_ws, w_dim] -> [K, w_dim].

    To first order it is how a step along w changes the score of an average face, and so the right
    normal to project off when the score shall stay put. Source: Goetschalckx et al. 2019, "GANalyze",
    equation 2, linearised at alpha 0.
    """
    total = torch.zeros(len(scorers), ws.shape[-1], dtype=torch.float64)
    for i in tqdm(range(0, len(ws), chunk), desc="following gradients", unit="chunk", disable=quiet):
        w = ws[i : i + chunk, 0].detach().requires_grad_()
        scores = score_together(scorers, generator.synthesis(w[:, None].expand(-1, ws.shape[1], -1)))
        for row, column in zip(total, scores.unbind(dim=1), strict=True):
            (gradient,) = torch.autograd.grad(column.sum(), w, retain_graph=True)
            row += gradient.sum(dim=0).cpu().double()
    return total / len(ws)


def steer(gradient: Tensor, kept: Tensor, metric: Tensor) -> Tensor:
    """Find the step that raises one score fastest and leaves others, M g - M C^T (C M C^T)^-1 C M g.

    `gradient` [D] is g, `kept` [K, D] the rows of C; the metric M [D, D] says how far a step of unit
    length goes along each axis: the identity, or more where the population varies more.
    """
    pull = kept @ metric
    weights = torch.linalg.pinv(pull @ kept.t(), hermitian=True) @ (pull @ gradient)
    step: Tensor = metric @ gradient - pull.t() @ weights
    return step
