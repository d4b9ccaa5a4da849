"""A direction from scores by partial least squares regression."""

from __future__ import annotations

import warnings

from latentedit.discovery.examples import Examples, Hyperplane

NUM_COMPONENTS = 5


def fit_partial_least_squares(examples: Examples) -> Hyperplane:
    """Regress the scores on five components of largest covariance with them: x [N, D] -> normal [D].

    Between difference of means, which is one component, and least squares, which is all of them.
    Labels only say how it is judged, as in ridge regression.
    Source: Wold et al. 2001, "PLS-regression: a basic tool of chemometrics".
    """
    from sklearn.cross_decomposition import PLSRegression

    num_components = min(NUM_COMPONENTS, *examples.x.shape)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*residual is constant")  # fewer components say it all
        model = PLSRegression(num_components, scale=False).fit(examples.x, examples.scores)
    intercept = float(model.predict(0 * examples.x[:1]).item()) - examples.labels.threshold
    return Hyperplane(model.coef_[0], intercept, {"num_components": num_components})
