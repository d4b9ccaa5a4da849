"""An edited face is placed among random ones, and what leaves them all is told."""

import pytest
import torch

import latentedit as le
from latentedit.inversion.coordinates import draw_population, measure_axes
from latentedit.inversion.outskirts import measure_outskirts


def move(generator, ws, sigmas):
    """Move faces along W's first axis by its standard deviations."""
    return ws + sigmas * measure_axes(generator).axes[:, 0]


def test_the_place_is_in_standard_deviations_of_random_faces(tiny_generator):
    mean = measure_axes(tiny_generator).mean.expand(1, 6, -1)
    for sigmas in (2.0, -5.0):
        found = measure_outskirts(tiny_generator, mean, move(tiny_generator, mean, sigmas))
        assert float(found.sigmas[0]) == pytest.approx(abs(sigmas), rel=1e-3)
    one_row = torch.cat([move(tiny_generator, mean, 3.0)[:, :1], mean[:, 1:]], dim=1)
    assert float(measure_outskirts(tiny_generator, mean, one_row).sigmas[0]) == pytest.approx(3.0, rel=1e-3)


def test_only_what_goes_beyond_all_random_faces_has_left(tiny_generator):
    population = draw_population(tiny_generator)
    ws = population[:64, None].expand(-1, 6, -1)
    near, far = (measure_outskirts(tiny_generator, ws, move(tiny_generator, ws, a)) for a in (1e-3, 12.0))
    assert not near.have_left.any()
    assert far.have_left.all()
    assert (near.farthest > 1).all()
    inwards = measure_outskirts(tiny_generator, move(tiny_generator, ws, 12.0), ws)
    assert not inwards.have_left.any()


def test_a_face_that_stays_has_not_left(tiny_generator):
    ws = le.sample(tiny_generator, [1, 2])
    assert torch.equal(measure_outskirts(tiny_generator, ws, ws).sigmas, torch.zeros(2))


def test_styles_have_a_population_too(tiny_generator):
    styles = le.to_styles(tiny_generator, le.sample(tiny_generator, [1]))
    moved = styles.clone()
    moved[0, 3] += 100
    found = measure_outskirts(tiny_generator, styles, moved)
    assert found.have_left.all()
    ws = draw_population(tiny_generator)[:, None].expand(-1, 6, -1)
    population = tiny_generator.synthesis.make_styles(ws)[:, 3]
    assert float(found.sigmas[0]) == pytest.approx(
        float((moved[0, 3] - population.mean()) / population.std()), rel=1e-3
    )
