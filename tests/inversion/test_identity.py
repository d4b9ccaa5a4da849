"""An edit ends where the face stops being like itself."""

import pytest
import torch

from latentedit.errors import InputError
from latentedit.inversion.identity import keep_likeness
from latentedit.predictors.likeness import Likeness

LINEAR = Likeness("a line", lambda before, after: 1 - (after - before).abs().mean(dim=(1, 2, 3)) / 10)


def show(alphas):
    """A picture as bright as alpha is large."""
    return torch.tensor(alphas)[:, None, None, None].expand(-1, 3, 4, 4)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_end_is_where_the_likeness_falls_below_the_least(sign):
    kept = keep_likeness(show, LINEAR, 0.77, sign * 4.0)
    assert sign * kept.alpha == pytest.approx(2.3, abs=4 / 8 / 64 + 1e-6)
    assert sign * kept.alpha <= 2.3
    assert kept.likeness == pytest.approx(1 - abs(kept.alpha) / 10)
    assert kept.is_cut


def test_nothing_is_cut_that_stays_alike():
    kept = keep_likeness(show, LINEAR, 0.5, 4.0)
    assert (kept.alpha, kept.is_cut) == (4.0, False)
    assert kept.likeness == pytest.approx(0.6)


def test_the_first_fall_counts():
    dips = Likeness("a dip", lambda before, after: 1 - ((after.mean(dim=(1, 2, 3)) - 2).abs() < 0.3).float())
    assert 1.5 <= keep_likeness(show, dips, 0.5, 4.0).alpha <= 1.71


def test_an_alpha_of_nothing_stays():
    assert keep_likeness(show, LINEAR, 1.0, 0.0).alpha == 0.0
    assert keep_likeness(show, LINEAR, 1.0, 4.0).alpha == pytest.approx(0.0, abs=1e-6)


def test_a_likeness_above_one_is_refused():
    with pytest.raises(InputError, match="likeness 2"):
        keep_likeness(show, LINEAR, 2.0, 1.0)
