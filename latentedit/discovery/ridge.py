"""A direction from scores by ridge regression."""

from __future__ import annotations

import numpy as np

from latentedit.discovery.examples import Examples, Hyperplane

PENALTIES = np.logspace(-7, 1, 17)  # in units of the summed variance of a latent's coordinate


def fit_ridge(examples: Examples) -> Hyperplane:
    """Regress the scores themselves, at the penalty of least leave-one-out error: x [N, D] -> normal [D].

    Labels only say how it is judged: a face is high where its predicted score exceeds the threshold.
    Source: Hoerl and Kennard 1970, "Ridge regression".
    """
    from sklearn.linear_model import RidgeCV

    unit = len(examples.x) * float(examples.x.var(axis=0).mean())
    model = RidgeCV(alphas=PENALTIES * unit).fit(examples.x, examples.scores)
    penalty = float(model.alpha_) / unit
    return Hyperplane(model.coef_, float(model.intercept_) - examples.labels.threshold, {"penalty": penalty})
