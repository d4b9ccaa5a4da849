"""A direction from scores as the difference of two means."""

from __future__ import annotations

from latentedit.discovery.examples import Examples, Hyperplane


def fit_mean_difference(examples: Examples) -> Hyperplane:
    """Go from the mean of the low faces to that of the high ones: x [N, D] -> normal [D].

    The bound lies half way. Needs no tuning and no inverse, but follows the population's own
    spread: where traits go together in it, so they do in the direction.
    """
    x, high = examples.labelled()
    low_mean, high_mean = x[~high].mean(axis=0), x[high].mean(axis=0)
    normal = high_mean - low_mean
    return Hyperplane(normal, -float(normal @ (high_mean + low_mean)) / 2, {})
