"""Edit, render, invert, undo: nothing is lost by a perfect inversion, and what one loses is measured."""

import pytest
import torch

import latentedit as le
from latentedit.direction import Direction
from latentedit.errors import InputError
from latentedit.evaluation import consistency
from latentedit.evaluation.consistency import measure_consistency
from latentedit.inversion.coordinates import measure_axes

FACES = range(20)


@pytest.fixture
def direction():
    row = torch.nn.functional.normalize(torch.randn(1, 16, generator=torch.Generator().manual_seed(0)).double())
    return Direction("up", row.repeat(6, 1), tuple(range(6)), sigma=0.5)


class Memory:
    """An inversion that knows every code that was rendered, and errs as it is told."""

    def __init__(self, monkeypatch, error=lambda ws: 0.0):
        self.seen, self.error = {}, error
        monkeypatch.setattr(consistency, "render", self.render)

    def render(self, generator, ws):
        images = le.render(generator, ws)
        self.seen[images.sum().item()] = ws
        return images

    def __call__(self, images):
        ws = self.seen[images.sum().item()]
        return ws + self.error(ws)


def test_a_perfect_inversion_loses_nothing(tiny_generator, direction, monkeypatch):
    memory = Memory(monkeypatch)
    images = memory.render(tiny_generator, le.sample(tiny_generator, FACES))
    (found,) = measure_consistency(tiny_generator, [direction], memory, images)
    assert (found.name, found.alpha) == ("up", 3.0)
    assert found.undone.value == pytest.approx(0, abs=1e-5)
    assert found.unedited.value == pytest.approx(0, abs=1e-5)


def test_the_error_counts_standard_deviations(tiny_generator, direction, monkeypatch):
    population = measure_axes(tiny_generator)
    step = 0.3 * population.axes.sum(dim=1)  # .3 of every coordinate
    memory = Memory(monkeypatch, error=lambda ws: step)
    images = memory.render(tiny_generator, le.sample(tiny_generator, FACES))
    (found,) = measure_consistency(tiny_generator, [direction], memory, images)
    assert found.undone.value == pytest.approx(0.3, rel=1e-3)
    assert found.unedited.value == pytest.approx(0.3, rel=1e-3)


def test_an_inversion_blind_to_the_edit_is_told_from_one_that_sees_it(tiny_generator, direction, monkeypatch):
    images = le.render(tiny_generator, le.sample(tiny_generator, FACES))
    mean = measure_axes(tiny_generator).mean.expand(len(FACES), 6, -1)
    (found,) = measure_consistency(tiny_generator, [direction], lambda images: mean, images, alpha=2.0)
    step = measure_axes(tiny_generator).to_coordinates(
        mean + le.edit(torch.zeros_like(mean), direction, 2.0, unit="sigma")
    )
    assert found.unedited.value == 0
    assert found.undone.value == pytest.approx(float(step.square().mean().sqrt()), rel=1e-4)


def test_the_ends_are_left_out(tiny_generator, direction, monkeypatch):
    distances = torch.cat([torch.full([98], 1.0), torch.tensor([50.0, -50.0])])
    assert consistency._average(distances).value == pytest.approx(1.0)


def test_styles_are_refused(tiny_generator, direction):
    channel = le.load_direction("2_1", tiny_generator)
    with pytest.raises(InputError, match=r"2_1 moves s: consistency is measured on codes in W and W\+"):
        measure_consistency(tiny_generator, [direction, channel], lambda images: images, torch.zeros(1, 3, 16, 16))


def test_projection_is_an_inversion(tiny_generator, monkeypatch):
    images = le.render(tiny_generator, le.sample(tiny_generator, [1]))
    start = le.sample(tiny_generator, [2])
    monkeypatch.setattr("latentedit.inversion.projection.choose_start", lambda *_: start)
    assert consistency.by_projection(tiny_generator, 2)(images).shape == (1, 6, 16)
