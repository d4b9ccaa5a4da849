"""The two regressions of an assessor in terms of its training faces, and their cross-validation."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from tqdm import tqdm

from latentedit.predictors.omi import gaussian_kernel
from latentedit.training.ridge import Ridge, fit_ridge

GAMMA = 0.5


@dataclass(frozen=True)
class TwoStages:
    """The fitted regressions; the second compares traits, as the first rates them, with `supports` [N, A]."""

    first: Ridge
    center: Tensor
    scale: Tensor
    second: Ridge

    @property
    def supports(self) -> Tensor:
        """The traits of the training faces, each as if it had been left out: [N, A]."""
        return (self.first.left_out - self.center) / self.scale

    def predict(self, gram: Tensor) -> Tensor:
        """Rate new faces from their products with the training faces: [M, N] -> [M, A]."""
        linear = self.first.predict(gram)
        kernel = gaussian_kernel((linear - self.center) / self.scale, self.supports, GAMMA)
        return linear + self.second.predict(kernel)


def fit_stages(gram: Tensor, ratings: Tensor) -> TwoStages:
    """Fit both regressions: products of the faces' features [N, N], ratings [N, A] -> TwoStages.

    The second learns what the first gets wrong on faces it has not seen, from its leave-one-out ratings.
    """
    first = fit_ridge(gram, ratings)
    center, scale = first.left_out.mean(dim=0), first.left_out.std(dim=0)
    traits = (first.left_out - center) / scale
    second = fit_ridge(gaussian_kernel(traits, traits, GAMMA), ratings - first.left_out)
    return TwoStages(first, center, scale, second)


def cross_validate(gram: Tensor, ratings: Tensor, folds: Tensor, quiet: bool = False) -> Tensor:
    """Rate each face by regressions fitted, penalties and all, to the other folds: folds [R, N] -> [R, N, A]."""
    predictions = ratings.new_empty(len(folds), *ratings.shape)
    cases = [(repeat, fold) for repeat in range(len(folds)) for fold in sorted(set(folds[repeat].tolist()))]
    for repeat, fold in tqdm(cases, desc="cross-validating", disable=quiet):
        test = folds[repeat] == fold
        stages = fit_stages(gram[~test][:, ~test], ratings[~test])
        predictions[repeat, test] = stages.predict(gram[test][:, ~test])
    return predictions
