"""Laws of curves over alpha, on data whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentedit.evaluation.curves import (
    Changes,
    describe_course,
    find_crossings,
    find_matching_alphas,
    fit_lines,
    match_target,
    read_at,
)
from latentedit.statistics import resample_faces, summarise_resamples

ALPHAS = np.array([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
seeds = st.integers(0, 2**31)


def plant(slopes: np.ndarray, curve=lambda x: x) -> Changes:
    """Faces whose attributes follow a curve of alpha times planted slopes [N, K]."""
    return Changes(ALPHAS, curve(ALPHAS)[None, :, None] * slopes[:, None])


@given(seeds)
def test_planted_slopes_are_found(seed):
    slopes = np.random.default_rng(seed).uniform(0.1, 2, size=(12, 2))
    course = describe_course(plant(slopes), 1)
    assert course.slope.value == pytest.approx(slopes[:, 1].mean())
    assert course.slope.low <= course.slope.value <= course.slope.high
    for figure in (course.spearman, course.monotone, course.r2, course.saturation):
        assert (figure.value, figure.low, figure.high) == pytest.approx((1, 1, 1))


def test_what_flattens_outside_is_saturated_and_what_falls_is_not_monotone():
    slopes = np.ones((10, 1))
    assert describe_course(plant(slopes, np.tanh), 0).saturation.value == pytest.approx(
        (np.tanh(3) - np.tanh(1)) / 2 / np.tanh(1)
    )
    slopes[:3] = -1
    course = describe_course(plant(slopes), 0)
    assert course.monotone.value == pytest.approx(0.7)
    assert course.spearman.value == pytest.approx(0.4)


@given(seeds, st.floats(0.05, 1.5))
def test_reading_at_a_crossing_gives_the_level(seed, level):
    steps = np.random.default_rng(seed).uniform(0.3, 2, size=(5, 6))
    curves = np.concatenate([np.zeros((5, 1)), steps.cumsum(axis=1)], axis=1)
    alphas = np.arange(7.0)
    where = find_crossings(alphas, curves, level)
    assert read_at(alphas, curves[..., None], where)[:, 0] == pytest.approx(level)
    assert (where <= level / steps.min()).all()


def test_the_first_crossing_counts_and_none_is_no_number():
    curves = np.array([[0, 2, 0, 2.0], [0, -1, -2, 0.5]])
    assert find_crossings(np.arange(4.0), curves, 1)[0] == pytest.approx(0.5)
    assert math.isnan(find_crossings(np.arange(4.0), curves, 1)[1])


@given(seeds, st.floats(0.1, 1))
def test_changes_are_read_where_the_target_is_matched(seed, level):
    slopes = np.random.default_rng(seed).uniform(0.5, 2, size=(20, 3)) * [1, 1, -1]
    changes = plant(slopes)
    matched = match_target(changes, 0, find_matching_alphas(changes, 0, level))
    expected = level * slopes.mean(axis=0) / slopes[:, 0].mean()
    assert [change.value for change in matched.changes] == pytest.approx(expected)
    assert [size.value for size in matched.sizes] == pytest.approx(np.abs(expected))
    assert matched.mean_dependency.value == pytest.approx(np.abs(expected[1:]).mean())
    assert matched.max_dependency.value == pytest.approx(np.abs(expected[1:]).max())
    assert matched.changes[2].low <= matched.changes[2].value <= matched.changes[2].high
    assert (matched.changes[0].low, matched.changes[0].high) == pytest.approx((level, level))


def test_an_edit_twice_as_strong_leaks_the_same_at_matched_change():
    slopes = np.random.default_rng(0).uniform(0.2, 1, size=(20, 2))
    weak, strong = plant(slopes), plant(2 * slopes)
    reads = [match_target(rows, 0, find_matching_alphas(rows, 0, 0.5)) for rows in (weak, strong)]
    assert reads[0].changes[1].value == pytest.approx(reads[1].changes[1].value)
    assert reads[0].alpha.value == pytest.approx(2 * reads[1].alpha.value)


def test_a_level_out_of_reach_gives_no_number():
    changes = plant(np.full((10, 2), 0.1))
    matched = match_target(changes, 0, find_matching_alphas(changes, 0, 1.0))
    assert all(math.isnan(figure.value) for figure in (matched.alpha, *matched.changes, matched.max_dependency))


def test_a_judge_of_one_attribute_sees_no_dependency():
    changes = plant(np.ones((10, 1)))
    assert math.isnan(match_target(changes, 0, find_matching_alphas(changes, 0, 1.0)).mean_dependency.value)


@given(seeds)
def test_a_point_on_the_line_changes_nothing_and_turning_round_twice_neither(seed):
    slopes = np.random.default_rng(seed).uniform(0.5, 2, size=(8, 2))
    changes = plant(slopes)
    finer = changes.insert(1.25, 1.25 * slopes)
    assert finer.alphas.tolist() == [-3, -2, -1, 0, 1, 1.25, 2, 3]
    assert find_matching_alphas(finer, 0, 1.0) == pytest.approx(find_matching_alphas(changes, 0, 1.0))
    assert finer.insert(1.25, slopes) is finer
    assert changes.rises(0)
    assert not changes.reversed().rises(0)
    assert np.array_equal(changes.reversed().reversed().values, changes.values)


def test_a_flat_line_explains_nothing():
    assert fit_lines(ALPHAS, np.zeros((2, 7)))[1].tolist() == [0, 0]


def test_intervals_cover_the_truth_as_often_as_they_say():
    random, hits = np.random.default_rng(0), 0
    for trial in range(400):
        values = random.normal(size=(60,))
        interval = summarise_resamples(resample_faces(60, 400, seed=trial) @ values)
        hits += interval.low <= 0 <= interval.high
    assert 0.90 <= hits / 400 <= 0.98


def test_the_first_resample_is_the_sample_and_each_counts_every_face_it_drew():
    shares = resample_faces(7, 50)
    assert shares[0] == pytest.approx(1 / 7)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert np.array_equal(resample_faces(7, 50), shares)


def test_resamples_that_give_no_number_open_the_interval():
    figures = np.array([1.0] + [1.0] * 90 + [math.nan] * 10)
    assert math.isnan(summarise_resamples(figures).high)
    assert summarise_resamples(figures).low == 1
