"""A direction from a differentiable scorer: the average gradient of the score along w."""

from __future__ import annotations

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.networks import Generator
from latentedit.scoring import Scorer


def average_gradient(generator: Generator, scorer: Scorer, ws: Tensor, chunk: int = 16, quiet: bool = True) -> Tensor:
    """Compute E[d score(G(w)) / dw], through generator and scorer: ws [N, num_ws, w_dim] -> [w_dim].

    To first order it is how a step along w changes the score of an average face, and so the right
    normal to project off when the score shall stay put. Source: Goetschalckx et al. 2019, "GANalyze",
    equation 2, linearised at alpha 0.
    """
    total = torch.zeros(ws.shape[-1], dtype=torch.float64)
    for i in tqdm(range(0, len(ws), chunk), desc="following gradients", unit="chunk", disable=quiet):
        w = ws[i : i + chunk, 0].detach().requires_grad_()
        images = generator.synthesis(w[:, None].expand(-1, ws.shape[1], -1))
        (gradient,) = torch.autograd.grad(scorer(images).sum(), w)
        total += gradient.sum(dim=0).cpu().double()
    return total / len(ws)
