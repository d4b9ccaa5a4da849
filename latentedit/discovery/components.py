"""Directions without scores: the principal components of W."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.direction import Direction
from latentedit.discovery.coordinates import choose_coordinates
from latentedit.discovery.finding import assemble
from latentedit.errors import InputError
from latentedit.latents import sample
from latentedit.networks import Generator

COMPONENT_SEEDS = range(3_000_000, 3_010_000)  # faces without truncation
CHUNK = 4096


def find_components(
    generator: Generator,
    num: int = 10,
    layers: tuple[int, ...] | None = None,
    class_index: int | None = None,
    seeds: range = COMPONENT_SEEDS,
    quiet: bool = True,
) -> list[Direction]:
    """Find the directions along which W varies most, the widest first: -> `comp0`, `comp1`, ...

    Unit vectors, orthogonal; sigma is the standard deviation along each; the provenance says which
    share of the variance it explains. The covariance is summed chunk by chunk, so that memory does
    not grow with the number of seeds. Source: Härkönen et al. 2020, "GANSpace".
    """
    w_dim, done, mean, scatter = generator.config.w_dim, 0, torch.zeros(()), torch.zeros(())
    check_count(num, w_dim)
    for i in tqdm(range(0, len(seeds), CHUNK), desc="sampling W", unit="chunk", disable=quiet):
        w = sample(generator, seeds[i : i + CHUNK], class_index=class_index)[:, 0].cpu().double()
        done, mean, scatter = add_scatter(done, mean, scatter, w)
    variances, vectors = leading_axes(scatter / (done - 1), num)
    coordinates = choose_coordinates(generator.config, "w", layers)
    facts = {"method": "pca", "seeds": f"{seeds[0]}-{seeds[-1]}", "truncation_psi": 1.0}
    found = []
    for i, variance in enumerate(variances):
        share = float(variance * (done - 1) / scatter.trace())
        component = assemble(generator, f"comp{i}", vectors[i], coordinates, {**facts, "explained_variance": share})
        found.append(replace(component, sigma=float(variance.sqrt())))
    return found


def add_scatter(done: int, mean: Tensor, scatter: Tensor, w: Tensor) -> tuple[int, Tensor, Tensor]:
    """Add rows w [N, D] to a count, a mean [D] and a scatter matrix [D, D] of those before (Chan et al. 1983)."""
    total, step = done + len(w), w.mean(dim=0) - mean
    centered = w - w.mean(dim=0)
    scatter = scatter + centered.t() @ centered + step.outer(step) * (done * len(w) / total)
    return total, mean + step * (len(w) / total), scatter


def leading_axes(matrix: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """Take the largest eigenvalues of a symmetric matrix [D, D], falling, and their unit vectors: -> [num], [num, D].

    Each vector's largest entry is positive, so that its sign is the same on every machine.
    """
    values, vectors = torch.linalg.eigh(matrix)
    rows = vectors.t().flip(0)[:num]
    largest = rows.gather(1, rows.abs().argmax(dim=1, keepdim=True))
    return values.flip(0)[:num].clamp_min(0), rows * largest.sign()


def check_count(num: int, w_dim: int) -> None:
    """Raise InputError if a generator has not so many axes."""
    if not 1 <= num <= w_dim:
        raise InputError(f"{num} directions of a W of {w_dim} dimensions: ask for 1 to {w_dim}")
