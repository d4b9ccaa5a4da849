"""A direction from scores by logistic regression: the recipe of the memorability paper."""

from __future__ import annotations

import numpy as np

from latentedit.discovery.examples import Examples, Hyperplane

NARROW = 1024  # dimensions up to which Newton's steps, on a matrix of their square, beat gradient ones


def fit_logistic(examples: Examples) -> Hyperplane:
    """Separate high faces from low ones by logistic regression, C = copies: x [N, D] -> normal [D].

    The paper fits w repeated for each of num_ws layers with C = 1, which is the same as w alone
    with C = num_ws, at 1 / num_ws of the cost.
    Source: Younesi and Mohsenzadeh 2022, "Controlling memorability of face images".
    """
    from sklearn.linear_model import LogisticRegression  # takes a second, which most commands need not pay

    x, high = examples.labelled()
    solver = "newton-cholesky" if x.shape[1] <= NARROW else "lbfgs"
    model = LogisticRegression(C=examples.copies, max_iter=4000, solver=solver).fit(x, high)
    return Hyperplane(model.coef_[0].astype(np.float64), float(model.intercept_[0]), {"C": examples.copies})
