"""The figures are those of the textbooks, and their intervals hold as often as they say."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error

from latentedit.agreement import FIGURES, compare, cross_validate, judge
from latentedit.agreement.resampling import draw_rows, resample
from latentedit.errors import InputError
from latentedit.statistics import spearman


@pytest.fixture
def pairs():
    random = np.random.default_rng(0)
    scores = random.normal(50, 10, 83).round(0)  # with ties
    return scores, (scores * 0.5 + random.normal(20, 6, 83)).round(1)


def test_every_figure_is_that_of_scipy_and_sklearn(pairs):
    scores, predictions = pairs
    expected = {
        "Spearman": spearmanr(*pairs).statistic,
        "Pearson": pearsonr(*pairs).statistic,
        "R2": r2_score(*pairs),
        "MAE": mean_absolute_error(*pairs),
        "RMSE": root_mean_squared_error(*pairs),
        "ROC-AUC": roc_auc_score(scores > np.median(scores), predictions),
    }
    found = {name: float(figure(*pairs)) for name, figure in FIGURES.items()}
    assert found == pytest.approx(expected)


def test_resamples_at_once_are_resamples_one_by_one(pairs, monkeypatch):
    monkeypatch.setattr("latentedit.agreement.resampling.AT_ONCE", 200)
    rows = draw_rows(83, 9, seed=1)
    for figure in FIGURES.values():
        alone = [float(figure(pairs[0][row], pairs[1][row])) for row in rows]
        np.testing.assert_allclose(resample(figure, rows, pairs), alone)


def test_score_and_prediction_are_drawn_together():
    values = np.random.default_rng(0).normal(size=50)
    card = judge("itself", values, values)
    assert card.figures["Spearman"].low == pytest.approx(1)
    assert card.figures["MAE"].high == 0


def test_the_intervals_hold_as_often_as_they_say():
    """Of 200 samples of 80 pairs with a known correlation, 95 % give or take chance."""
    random, rho, held = np.random.default_rng(0), 0.5, 0
    true = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's correlation of a normal pair
    for seed in range(200):
        x, y = random.multivariate_normal([0, 0], [[1, rho], [rho, 1]], 80).T
        low, high = np.percentile(resample(spearman, draw_rows(80, 150, seed), [x, y])[1:], [2.5, 97.5])
        held += low <= true <= high
    assert 0.90 <= held / 200 <= 0.98


def test_correlation_between_categories_is_not_correlation_within():
    random = np.random.default_rng(0)
    categories = ["food"] * 60 + ["landscape"] * 90 + ["few"] * 3
    means = np.repeat([0.8, 0.5, 0.6], [60, 90, 3])
    scores, predictions = (means + random.normal(0, 0.05, 153) for _ in range(2))
    card = judge("means", scores, predictions, categories)
    assert card.figures["Spearman"].value > 0.6
    assert card.within.low < 0 < card.within.high
    assert set(card.categories) == {"food", "landscape"}
    food, landscape = (card.categories[name].value for name in ("food", "landscape"))
    assert card.within.value == pytest.approx((60 * food + 90 * landscape) / 150)
    assert judge("means", scores, predictions).within is None


def test_calibration_tells_stretched_predictions():
    scores = np.random.default_rng(0).normal(50, 10, 400)
    card = judge("wide", scores, 50 + 2 * (scores - 50))
    assert card.calibration["slope"] == pytest.approx(0.5)
    assert card.figures["R2"].value == pytest.approx(0, abs=0.05)
    assert judge("mean", scores, np.full(400, scores.mean())).figures["R2"].value == pytest.approx(0)
    assert np.isnan(judge("mean", scores, np.full(400, scores.mean())).figures["Spearman"].value)


def test_two_predictors_are_compared_on_the_same_resamples():
    """Their errors are the same but for a little: the difference is known far better than either."""
    random = np.random.default_rng(0)
    scores = random.normal(size=200)
    noise = random.normal(size=200)
    better, worse = (judge(str(size), scores, scores + size * noise, num_resamples=200) for size in (1.0, 1.2))
    difference = compare(better, worse, num_resamples=200).differences["Spearman"]
    alone = better.figures["Spearman"]
    assert difference.low > 0
    assert difference.high - difference.low < 0.5 * (alone.high - alone.low)
    assert compare(better, better, num_resamples=20).differences["R2"].high == 0
    other = judge("other", scores + 1, scores)
    with pytest.raises(InputError, match="rated other images"):
        compare(better, other)


def test_what_can_not_be_judged_is_refused():
    with pytest.raises(InputError, match="9 images are too few"):
        judge("x", np.arange(9.0), np.arange(9.0))
    with pytest.raises(InputError, match="gave 1 images no finite number"):
        judge("x", np.arange(12.0), np.array([*range(11), np.nan]))


def test_cross_validation_predicts_what_was_left_out():
    random = np.random.default_rng(0)
    scores = random.normal(size=60)
    digests = [str(i // 2) for i in range(60)]  # pairs of copies
    seen = []

    def fit(train, test, seed):
        assert not {digests[i] for i in train} & {digests[i] for i in test}
        assert len(train) + len(test) == 60
        seen.append((seed, *test))
        return scores[test] + seed

    found = cross_validate(fit, scores, digests, num_folds=5, num_repeats=2)
    assert sorted(row for fold in seen[:5] for row in fold[1:]) == list(range(60))
    assert [fold[0] for fold in seen] == list(range(10))
    np.testing.assert_allclose((found.predictions - scores)[0].round(6) % 1, 0, atol=1e-5)
    assert found.figures["MAE"].value == pytest.approx(4.5)


def test_cross_validated_chance_is_chance():
    scores = np.random.default_rng(1).normal(size=100)
    found = cross_validate(
        lambda train, test, seed: np.random.default_rng(100 + seed).normal(size=len(test)),
        scores,
        [*map(str, range(100))],
    )
    estimate = found.figures["Spearman"]
    assert estimate.low < 0 < estimate.high
