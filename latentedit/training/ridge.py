"""Ridge regression from kernel matrices, with every face's prediction as if it had been left out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

PENALTIES = tuple(10 ** (k / 2) for k in range(-10, 7))  # in units of the kernel's mean variance


@dataclass(frozen=True)
class Ridge:
    """Predictions are `kernel @ dual + bias` for kernel rows [M, N]; dual [N, T], bias [T]."""

    dual: Tensor
    bias: Tensor
    left_out: Tensor  # [N, T]: what each row would be predicted if it had not been fitted

    def predict(self, kernel: Tensor) -> Tensor:
        """Predict from the kernel between new and fitted rows: [M, N] -> [M, T]."""
        return kernel @ self.dual + self.bias


def fit_ridge(kernel: Tensor, targets: Tensor) -> Ridge:
    """Fit each target with the penalty of least leave-one-out error: [N, N], [N, T] -> Ridge.

    Leaving one out has a closed form, (y - fit) / (1 - leverage): Hastie et al., The Elements of
    Statistical Learning, section 7.10.
    """
    column_means, means = kernel.mean(dim=0), targets.mean(dim=0)
    centered = kernel - column_means - column_means[:, None] + column_means.mean()
    unit = centered.diagonal().mean()
    values, vectors = torch.linalg.eigh(centered / unit)
    values = values.clamp_min(0)  # rounding leaves tiny negative ones
    residuals = targets - means
    rotated = vectors.t() @ residuals
    candidates = torch.stack([_leave_one_out(values, vectors, residuals, rotated, penalty) for penalty in PENALTIES])
    best = (candidates - residuals).square().mean(dim=1).argmin(dim=0)  # [T]
    penalties = torch.tensor(PENALTIES, dtype=kernel.dtype)[best]
    dual = vectors @ (rotated / (values[:, None] + penalties)) / unit
    dual = dual - dual.mean(dim=0)  # centres new kernel rows for free
    left_out = candidates.permute(2, 0, 1)[torch.arange(len(best)), best].t() + means
    return Ridge(dual, means - column_means @ dual, left_out)


def _leave_one_out(values: Tensor, vectors: Tensor, residuals: Tensor, rotated: Tensor, penalty: float) -> Tensor:
    """Predict every row from all others: -> [N, T]."""
    shrinkage = values / (values + penalty)
    leverage = vectors.square() @ shrinkage + 1 / len(values)  # the mean is fitted too
    errors = (residuals - vectors @ (shrinkage[:, None] * rotated)) / (1 - leverage)[:, None]
    return residuals - errors
