"""The smallest alpha for a wanted score, on curves whose crossing is known."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentedit.errors import InputError
from latentedit.reach import Limit, reach_score


class Pixel:
    """Score an image by one of its pixels."""

    range = (-math.inf, math.inf)

    def __init__(self, channel):
        self.channel, self.name = channel, f"pixel{channel}"

    def __call__(self, images):
        return images[..., self.channel, 0, 0]


def show_curve(*curves):
    """Show images whose pixels follow curves of alpha."""
    return lambda alphas: torch.tensor([[[[c(a)]] for c in curves] for a in alphas], dtype=torch.float64)


@given(st.floats(0.1, 3), st.floats(-5, 5), st.sampled_from([1, -1]))
def test_a_line_is_met_where_it_crosses(slope, target, sign):
    reach = reach_score(show_curve(lambda a: sign * slope * a), Pixel(0), target, bound=60)
    assert reach.is_reached
    assert reach.alpha == pytest.approx(sign * target / slope, abs=0.003)
    assert abs(reach.score) >= abs(target) - 1e-12


def test_the_first_of_several_crossings_is_taken():
    reach = reach_score(show_curve(lambda a: math.sin(a) + 0.01 * a), Pixel(0), 0.9, bound=6)
    assert reach.score == pytest.approx(0.9, abs=0.002)
    assert 1 < reach.alpha < 1.2


def test_a_score_that_a_face_has_already_needs_no_edit():
    reach = reach_score(show_curve(lambda a: 5 + a), Pixel(0), 5.0)
    assert (reach.alpha, reach.score, reach.is_reached) == (0, 5, True)


def test_what_saturates_below_the_target_is_said_to_be_out_of_bounds():
    reach = reach_score(show_curve(math.tanh), Pixel(0), 1.5, bound=2.3)
    assert (reach.alpha, reach.is_reached, reach.stopped_by) == (2.3, False, "bound")
    assert reach.score == pytest.approx(math.tanh(2.3))


@pytest.mark.parametrize(("most", "is_reached"), [(0.5, True), (0.31, False)])
def test_a_budget_ends_the_walk(most, is_reached):
    show = show_curve(lambda a: a, lambda a: -0.2 * a)
    reach = reach_score(show, Pixel(0), 2.2, limits=[Limit(Pixel(1), most)])
    assert reach.is_reached == is_reached
    assert reach.alpha == pytest.approx(2.2 if is_reached else 1.5, abs=0.003)
    assert reach.stopped_by == ("" if is_reached else "pixel1")


def test_a_budget_that_ends_in_the_last_step_counts_too():
    show = show_curve(lambda a: a, lambda a: a)
    reach = reach_score(show, Pixel(0), 1.2, limits=[Limit(Pixel(1), 1.1)])
    assert (reach.alpha, reach.is_reached, reach.stopped_by) == (1.0, False, "pixel1")


def test_limits_above_zero_are_asked_for():
    with pytest.raises(InputError, match="give numbers above 0"):
        reach_score(show_curve(math.tanh), Pixel(0), 1, bound=0)
    with pytest.raises(InputError, match="give numbers above 0"):
        reach_score(show_curve(math.tanh), Pixel(0), 1, limits=[Limit(Pixel(0), math.nan)])
