"""How near two sets of images are, in the features of a network: distances, precision and recall, neighbours."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

ROWS = 1000  # of the kernel at a time, which bounds the memory


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Compute |m_a - m_b|^2 + Tr(S_a + S_b - 2 (S_a S_b)^(1/2)): [N, D], [M, D] -> number.

    Biased upwards by few samples. Source: Heusel et al. 2017, equation 6. With S = R' R, the trace of
    the root is the sum of the singular values of R_a R_b', which needs no root of a matrix.
    """
    left, right = (_root_of_covariance(x.double()) for x in (a, b))
    shift = (a.double().mean(dim=0) - b.double().mean(dim=0)).square().sum()
    root = torch.linalg.svdvals(left @ right.t()).sum()
    return float(shift + left.square().sum() + right.square().sum() - 2 * root)


def _root_of_covariance(x: Tensor) -> Tensor:
    """Find R with R' R the covariance: [N, D] -> [min(N, D), D]."""
    root: Tensor = torch.linalg.qr((x - x.mean(dim=0)) / (len(x) - 1) ** 0.5, mode="r").R
    return root


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Estimate MMD^2 with the kernel (x.y / D + 1)^3 without bias: [N, D], [M, D] -> number.

    Zero in the mean for samples of one distribution. Source: Binkowski et al. 2018, equation 4.
    """
    a, b = a.double(), b.double()
    return _mean_kernel_of_pairs(a) + _mean_kernel_of_pairs(b) - 2 * _sum_kernel(a, b) / (len(a) * len(b))


def _mean_kernel_of_pairs(x: Tensor) -> float:
    """Average the kernel over pairs of two different rows."""
    own = (x.square().mean(dim=1) + 1).pow(3).sum()
    return (_sum_kernel(x, x) - float(own)) / (len(x) * (len(x) - 1))


def _sum_kernel(a: Tensor, b: Tensor) -> float:
    parts = torch.split(a, ROWS)
    return float(sum((rows @ b.t() / a.shape[1] + 1).pow(3).sum() for rows in parts))


class Coverage(NamedTuple):
    """Shares from 0 to 1."""

    precision: float  # of samples that look like a real image
    recall: float  # of real images that the samples reach


def precision_and_recall(real: Tensor, samples: Tensor, k: int = 3) -> Coverage:
    """Count who lies within the other set's k-nearest-neighbour balls: [N, D], [M, D] -> shares.

    Source: Kynkaanniemi et al. 2019, "Improved precision and recall metric for assessing generative models".
    """
    between = torch.cdist(real, samples)
    precision = (between <= _radii(real, k)[:, None]).any(dim=0).double().mean()
    recall = (between <= _radii(samples, k)[None]).any(dim=1).double().mean()
    return Coverage(float(precision), float(recall))


def _radii(points: Tensor, k: int) -> Tensor:
    """Measure every point's distance to its k-th nearest other: [N, D] -> [N]."""
    distances = torch.cdist(points, points).fill_diagonal_(torch.inf)
    return distances.kthvalue(k, dim=1).values


def nearest(points: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    """Find each point's nearest in the bank: [N, D], [M, D] -> distances [N], indices [N]."""
    distances, indices = torch.cdist(points, bank).min(dim=1)
    return distances, indices
