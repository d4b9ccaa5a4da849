"""The curvature of a generator in W+ is what its images say, and its inverse undoes it."""

import pytest
import torch

import latentedit as le
from latentedit.inversion.coordinates import measure_axes
from latentedit.inversion.curvature import RIDGE, make_preconditioner, measure_curvature, mix_rows
from latentedit.inversion.resemblance import describe


@pytest.fixture(scope="module")
def population(tiny_generator):
    return measure_axes(tiny_generator)


@pytest.fixture(scope="module")
def axes(tiny_generator, population):
    return measure_curvature(tiny_generator, population, 96, 1024)


def test_a_step_along_an_axis_changes_the_loss_by_about_one(tiny_generator, population, axes):
    ws, small = le.sample(tiny_generator, range(100, 116)), 1e-3

    def see(ws):
        return describe(tiny_generator.synthesis(ws))

    changes = [((see(ws + small * axis) - see(ws)) / small).square().sum(dim=1).mean() for axis in axes[:4]]
    assert all(0.4 < float(change) < 2.5 for change in changes)


def test_axes_are_apart_in_the_population_the_strongest_first(population, axes):
    x = population.to_coordinates(axes + population.mean).flatten(1)
    lengths = x.norm(dim=1)
    products = x @ x.t() / lengths / lengths[:, None]
    assert torch.allclose(products, torch.eye(len(x)), atol=1e-3)
    assert bool((lengths.diff() > -1e-3 * lengths[:-1]).all())
    assert lengths[-1] / lengths[0] <= (1 / RIDGE + 1) ** 0.5 * 1.01


def test_the_preconditioner_is_the_inverse_of_the_curvature(population, axes):
    x = population.to_coordinates(axes + population.mean).flatten(1)
    precondition = make_preconditioner(axes, population)
    assert torch.allclose(precondition(x / x.square().sum(dim=1, keepdim=True)), x, rtol=1e-2, atol=1e-3)
    few = make_preconditioner(axes[:5], population)
    assert torch.allclose(few(x[20:21]), x[4].square().sum() * x[20:21], rtol=1e-2, atol=1e-2)
    a, b = torch.randn(2, 1, x.shape[1], generator=torch.Generator().manual_seed(0))
    assert float((a * few(b)).sum()) == pytest.approx(float((b * few(a)).sum()), rel=1e-3)


def test_half_of_the_faces_are_mixed():
    ws = torch.arange(50.0)[:, None, None].expand(50, 8, 3)
    rows = mix_rows(ws, 400, torch.Generator().manual_seed(0))[..., 0]
    is_mixed = rows[:, 0] != rows[:, -1]
    assert 0.35 < float(is_mixed.float().mean()) < 0.6
    assert bool(((rows.diff(dim=1) != 0).sum(dim=1) <= 1).all())
