import numpy as np
import pytest

from latentedit.statistics import kendall, spearman, wilson_interval


def test_wilsons_interval_is_that_of_his_formula():
    share, count, z = 83 / 100, 100, 1.959964
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2) / (1 + z**2 / count)
    assert wilson_interval(83, 100) == pytest.approx((centre - half, centre + half), abs=1e-6)
    assert wilson_interval(20, 20)[1] == pytest.approx(1)


def test_kendall_counts_pairs():
    assert kendall(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 4, 3])) == pytest.approx((5 - 1) / 6)
    assert spearman(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 4, 3])) == pytest.approx(0.8)
