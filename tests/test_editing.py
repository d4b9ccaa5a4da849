import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentedit.direction import Direction
from latentedit.editing import convert_alpha, edit, sweep
from latentedit.errors import InputError

LAYERS, WIDTH = 6, 16
alphas = st.floats(-20, 20)
ROW = torch.nn.functional.normalize(torch.randn(1, WIDTH, generator=torch.Generator().manual_seed(2)).double())
UP = Direction("up", ROW.repeat(LAYERS, 1), tuple(range(LAYERS)), sigma=0.5)
SIDE = Direction("side", torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(3)), (1, 4))
WS = torch.randn(3, LAYERS, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


def test_alpha_zero_is_the_identity():
    assert torch.equal(edit(WS, UP, 0), WS)


@given(alphas, alphas)
def test_edits_add(a, b):
    assert torch.allclose(edit(edit(WS, UP, a), UP, b), edit(WS, UP, a + b), atol=1e-9)


@given(alphas, alphas)
def test_edits_commute(a, b):
    assert torch.allclose(edit(edit(WS, UP, a), SIDE, b), edit(edit(WS, SIDE, b), UP, a), atol=1e-9)


@given(alphas, st.sets(st.integers(0, LAYERS - 1), min_size=1))
def test_only_the_named_layers_move(alpha, layers):
    moved = edit(WS, UP, alpha, sorted(layers))
    for layer in range(LAYERS):
        expected = WS[:, layer] + (alpha * UP.vector[layer] if layer in layers else 0)
        assert torch.allclose(moved[:, layer], expected, atol=1e-12)


@given(alphas, st.sampled_from(["raw", "sigma", "flat"]))
def test_units_convert_into_one_another(alpha, unit):
    converted = convert_alpha(UP, alpha, unit)
    assert converted[unit] == pytest.approx(alpha)
    for other, value in converted.items():
        assert torch.allclose(edit(WS, UP, value, unit=other), edit(WS, UP, alpha, unit=unit), atol=1e-9)


def test_flat_is_the_papers_unit_norm_over_all_layers():
    moved = edit(WS, UP, 1, unit="flat") - WS
    assert moved[0].norm() == pytest.approx(1)
    assert convert_alpha(UP, 1, "raw")["flat"] == pytest.approx(math.sqrt(LAYERS))


def test_sigma_moves_the_coordinate_by_standard_deviations():
    moved = UP.coordinate(edit(WS, UP, 3, unit="sigma")) - UP.coordinate(WS)
    assert torch.allclose(moved, torch.full([3], 1.5, dtype=torch.float64))


def test_a_sweep_is_each_alpha_alone():
    swept = sweep(WS, UP, [-2, 0, 5], layers=[0, 1])
    assert swept.ws.shape == (3, 3, LAYERS, WIDTH)
    for j, alpha in enumerate(swept.alphas):
        assert torch.equal(swept.ws[:, j], edit(WS, UP, alpha, [0, 1]))


@pytest.mark.parametrize("alpha", [math.nan, math.inf, -math.inf])
def test_an_alpha_that_is_not_finite_is_refused(alpha):
    with pytest.raises(InputError, match="not a finite number"):
        edit(WS, UP, alpha)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="different generators"):
        edit(WS[..., :8], UP, 1)
    with pytest.raises(InputError, match="different generators"):
        edit(WS[:, :3], UP, 1)
    with pytest.raises(InputError, match="moves none of them"):
        edit(WS, SIDE, 1, layers=[0])
    with pytest.raises(InputError, match="nobody measured sigma"):
        edit(WS, SIDE, 1, unit="sigma")
    with pytest.raises(InputError, match="at least one alpha"):
        sweep(WS, UP, [])
    with pytest.raises(InputError, match="unit 'miles' is not known"):
        edit(WS, UP, 1, unit="miles")
    with pytest.raises(InputError, match="leaves the range of numbers"):
        edit(WS.float(), UP, 1e39)
