"""A direction from scores by logistic regression: the recipe of the memorability paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def fit_logistic(w: np.ndarray, scores: np.ndarray, num_ws: int, seed: int = 42) -> tuple[Tensor, dict[str, Any]]:
    """Separate faces above the mean score from the others: w [N, w_dim], scores [N] -> normal [w_dim], figures.

    The paper fits w repeated for each of num_ws layers with C = 1, which is the same as w alone
    with C = num_ws, at 1 / num_ws of the cost. A tenth of the faces is held out for the accuracy.
    Source: Younesi and Mohsenzadeh 2022, "Controlling memorability of face images".
    """
    from sklearn.linear_model import LogisticRegression  # takes a second, which most commands need not pay

    labels = scores >= scores.mean()
    held_out = np.random.default_rng(seed).permutation(len(w)) < len(w) // 10
    model = LogisticRegression(C=num_ws, max_iter=4000).fit(w[~held_out], labels[~held_out])
    figures = {
        "labels": "score >= mean",
        "C": num_ws,
        "num_faces": len(w),
        "mean_score": float(scores.mean()),
        "sd_score": float(scores.std()),
        "hold_out_accuracy": float(model.score(w[held_out], labels[held_out])),
    }
    return torch.from_numpy(model.coef_[0].astype(np.float64)), figures
