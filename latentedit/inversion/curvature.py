"""The directions of W+ that a generator's images answer to most, and steps that are long where they answer little."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.inversion.coordinates import PrincipalAxes
from latentedit.inversion.resemblance import describe
from latentedit.latents import sample
from latentedit.networks import Generator

BATCH = 32  # faces at once
FACES = 2048  # whose styles they mix
RIDGE = 1e-4  # of the strongest answer: added to every one


def measure_curvature(
    generator: Generator, population: PrincipalAxes, num_axes: int, num_probes: int, quiet: bool = True
) -> Tensor:
    """Measure the directions of W+ that images answer to most: -> steps of ws [num_axes, num_ws, w_dim].

    In the population's coordinates they are eigenvectors of the mean of J^T J, where J is the derivative
    of what the loss of projection compares; each is so long that the loss changes by about one. The mean
    is taken over `num_probes` random mixtures of J's rows, half of them at faces of mixed styles.
    """
    random = torch.Generator().manual_seed(0)
    ws = sample(generator, range(FACES))
    total = torch.zeros(ws[0].numel(), ws[0].numel(), device=ws.device)
    batches = range(-(-num_probes // BATCH))
    for _ in tqdm(batches, desc="measuring the curvature", disable=quiet):
        x = population.to_coordinates(mix_rows(ws, BATCH, random)).requires_grad_()
        described = describe(generator.synthesis(population.to_ws(x)))
        probe = torch.randn(described.shape, generator=random).to(described)
        answers = torch.autograd.grad(described, x, probe)[0].flatten(1)
        total += answers.t() @ answers
    strengths, basis = torch.linalg.eigh(total.double() / (len(batches) * BATCH))
    steps = basis * (strengths + RIDGE * strengths[-1]).rsqrt()  # [num_ws * w_dim, num_ws * w_dim], weakest first
    x = steps.flip(1)[:, :num_axes].t().reshape(-1, *ws.shape[1:]).to(ws)
    return population.to_ws(x) - population.mean


def mix_rows(ws: Tensor, batch: int, random: torch.Generator | None = None) -> Tensor:
    """Draw faces, half of them with another's styles from a random layer on: -> [batch, num_ws, w_dim]."""
    first, second = (ws[torch.randint(len(ws), [batch], generator=random)] for _ in range(2))
    crossover = torch.randint(1, 2 * ws.shape[1], [batch, 1, 1], generator=random)
    return torch.where((torch.arange(ws.shape[1])[:, None] < crossover).to(ws.device), first, second)


def make_preconditioner(axes: Tensor, population: PrincipalAxes) -> Callable[[Tensor], Tensor]:
    """Make the inverse of the curvature, where directions beside the axes count as the weakest: [N, P] -> same.

    `axes` are those of `measure_curvature`; it applies to gradients in the population's coordinates.
    """
    x = population.to_coordinates(axes + population.mean).flatten(1)  # [num_axes, P]
    basis = torch.linalg.qr(x.t().double())[0].to(x)
    lengths = x.square().sum(dim=1)
    return lambda gradient: lengths[-1] * gradient + (gradient @ basis * (lengths - lengths[-1])) @ basis.t()
