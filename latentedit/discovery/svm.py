"""A direction from scores by a linear support vector machine: InterFaceGAN's recipe."""

from __future__ import annotations

from latentedit.discovery.examples import Examples, Hyperplane

PENALTY = 1.0  # C


def fit_svm(examples: Examples) -> Hyperplane:
    """Separate the highest faces from the lowest by the widest margin: x [N, D] -> normal [D].

    It is meant for labels of `quantile`. Squared hinge loss, C = 1 where latents are scaled to unit variance.
    Source: Shen et al. 2020, "Interpreting the latent space of GANs for semantic face editing", section 3.1.
    """
    from sklearn.svm import LinearSVC

    x, high = examples.labelled()
    scale = float(x.std())
    model = LinearSVC(C=PENALTY, dual="auto", max_iter=20_000, random_state=0).fit(x / scale, high)
    return Hyperplane(model.coef_[0] / scale, float(model.intercept_[0]), {"C": PENALTY})
