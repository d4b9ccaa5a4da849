import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentedit.errors import InputError
from latentedit.video import ease, interpolate, legs, ping_pong
from latentedit.vocabulary import EASINGS


@given(st.integers(2, 60), st.sampled_from(EASINGS))
def test_every_easing_goes_from_one_end_to_the_other_without_turning_back(count, easing):
    moments = ease(count, easing)
    assert len(moments) == count
    assert (moments[0], moments[-1]) == (0, 1)
    assert moments == sorted(set(moments))


def test_easings_are_slow_where_they_say():
    first, last = {}, {}
    for easing in EASINGS:
        moments = ease(11, easing)
        first[easing], last[easing] = moments[1], 1 - moments[-2]
    assert first["ease-in"] == pytest.approx(0.01)
    assert first["ease-in-out"] < 0.05 < first["linear"] < 0.15 < first["ease-out"]
    assert last["ease-out"] == pytest.approx(0.01)
    assert last["ease-in-out"] < 0.05 < last["linear"] < last["ease-in"]


@given(st.integers(2, 30))
def test_there_and_back_shows_no_end_twice(count):
    moments = ping_pong(ease(count, "linear"))
    assert len(moments) == 2 * count - 2
    assert (moments.count(0), moments.count(1)) == (1, 1)
    assert moments[1:] == pytest.approx(moments[:0:-1])


def test_a_loop_ends_just_before_it_begins_again():
    assert legs(3, 2, "linear") == [0, 0.5, 1, 1.5, 2]
    assert legs(3, 2, "linear", loop=True) == [0, 0.5, 1, 1.5, 2, 2.5]


def test_interpolation_passes_through_every_key_and_back_to_the_first():
    keys = torch.tensor([[0.0, 0.0], [4.0, 8.0], [8.0, 0.0]])
    expected = torch.tensor([[0, 0], [1, 2], [4, 8], [8, 0], [4, 0], [0, 0]]).float()
    assert torch.equal(interpolate(keys, [0, 0.25, 1, 2, 2.5, 3]), expected)
    assert interpolate(keys[:, None, None], [0.5]).shape == (1, 1, 1, 2)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda: ease(9, "bounce"), "easing 'bounce' is not known: choose one of linear"),
        (lambda: ease(1), "1 frames"),
        (lambda: legs(1, 5), "1 faces"),
        (lambda: interpolate(torch.zeros(2, 3), [0, 2.5]), "positions 0 to 2.5: there are 2 keys"),
    ],
)
def test_what_makes_no_way_is_refused(ask, expected):
    with pytest.raises(InputError, match=expected):
        ask()
