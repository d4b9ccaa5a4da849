"""Intervals that hold whatever the distribution, and calibration whose truth is known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentedit.training.calibration import (
    conformal_half_width,
    measure_calibration,
    measure_coverage,
    measure_reliability,
)


@pytest.mark.parametrize("coverage", [0.5, 0.9])
@pytest.mark.parametrize("power", [1, 5])  # of the noise: light and heavy tails
def test_an_interval_covers_new_faces_as_often_as_it_says(coverage: float, power: int) -> None:
    generator = torch.Generator().manual_seed(0)
    residuals = torch.randn(2, 200, 2000, generator=generator, dtype=torch.float64) ** power  # a column an experiment
    half_width = conformal_half_width(residuals[0], coverage)
    held = (residuals[1].abs() <= half_width).double().mean()
    assert coverage - 0.005 < held < coverage + 1 / 201 + 0.005


def test_too_few_residuals_promise_nothing() -> None:
    assert conformal_half_width(torch.ones(8, 1), 0.9).isinf().all()
    assert conformal_half_width(torch.ones(9, 1), 0.9).isfinite().all()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-50, 50), min_size=20, max_size=60), st.floats(0.1, 0.9), st.floats(0.1, 10))
def test_wider_claims_and_wider_residuals_make_wider_intervals(
    values: list[float], coverage: float, scale: float
) -> None:
    residuals = torch.tensor(values, dtype=torch.float64)[:, None]
    width = conformal_half_width(residuals, coverage)
    assert width <= conformal_half_width(residuals, 0.95)
    torch.testing.assert_close(conformal_half_width(scale * residuals, coverage), scale * width)
    torch.testing.assert_close(conformal_half_width(residuals.flip(0), coverage), width)


def test_coverage_is_measured_on_faces_that_did_not_make_the_interval() -> None:
    widths = torch.tensor([1.0, 3.0]).repeat(50)[:, None]  # the odd ones stray three times as far
    assert measure_coverage(widths) == pytest.approx(0.5)


def test_calibration_finds_what_was_put_in() -> None:
    predictions = torch.linspace(0, 100, 101, dtype=torch.float64)
    figures = measure_calibration(predictions, 2 * predictions - 30)
    assert figures["bias"] == pytest.approx(-20)
    assert figures["slope"] == pytest.approx(2)
    assert figures["spread"] == pytest.approx(0.5)


def test_tenths_are_in_order_and_keep_the_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    predictions, ratings = torch.rand(2, 100, generator=generator).unbind()
    tenths = measure_reliability(predictions, ratings)
    assert tenths["predicted"] == sorted(tenths["predicted"])
    assert sum(tenths["rated"]) / 10 == pytest.approx(float(ratings.mean()), abs=1e-3)
