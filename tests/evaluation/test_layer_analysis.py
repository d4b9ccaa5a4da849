"""Parts of an edit, at the whole one's length and distance."""

import math

import numpy as np
import pytest
import torch

from latentedit.direction import Direction
from latentedit.errors import InputError
from latentedit.evaluation import analyse_layers
from latentedit.evaluation.layers import SHARES, list_rows, split_layers, stretch, summarise
from latentedit.evaluation.pictures import draw_layers


class Redness:
    """Rate how red a face is."""

    name, attributes = "redness", ("red",)

    def __call__(self, images):
        return images[..., 0, :, :].mean(dim=[-2, -1])[..., None]


@pytest.fixture
def short_direction(tiny_direction):
    """Layers 0, 2 and 5 of the tiny direction."""
    return Direction("short", tiny_direction.vector[:3], (0, 2, 5), sigma=0.5)


@pytest.fixture
def measure(tiny_generator):
    def analyse(direction):
        return analyse_layers(
            tiny_generator, direction, Redness(), "red", 2.0, seeds=range(100, 108), population=range(200, 216)
        )

    return analyse


def test_parts_are_as_long_as_the_whole(tiny_direction):
    for _, _, layers in split_layers(tiny_direction.layers):
        part = stretch(tiny_direction, layers)
        assert part.layers == layers
        assert part.norm == pytest.approx(tiny_direction.norm)
    kinds = [(kind, layers) for kind, layer, layers in split_layers((2, 4, 5)) if layer == 4]
    assert kinds == [("only", (4,)), ("without", (2, 5)), ("up to", (2, 4)), ("from", (4, 5))]


def test_the_parts_that_are_the_whole_do_what_it_does(measure, short_direction, tmp_path):
    effects = {(effect.kind, effect.layer): effect for effect in measure(short_direction)}
    assert len(effects) == 4 * 3
    whole, same = effects["from", 0], effects["up to", 5]
    assert whole.change == same.change
    assert abs(whole.change.value) > 0.01
    assert whole.change_at_distance.value == pytest.approx(whole.change.value)
    assert whole.change.low < whole.change.value < whole.change.high
    assert effects["only", 0].change.value != pytest.approx(whole.change.value)
    header, rows = list_rows(list(effects.values()))
    assert len(header) == len(rows[0]) == 11
    draw_layers(list(effects.values()), "red").savefig(tmp_path / "layers.png")


def test_a_layer_that_does_nearly_all_does_it_alone_and_nothing_is_left_without_it(measure, short_direction):
    strong = torch.full((3, 1), 1e-6, dtype=torch.float64).index_fill(0, torch.tensor([0]), 1.0)
    direction = Direction("low", short_direction.vector * strong, short_direction.layers, sigma=0.5)
    effects = {(effect.kind, effect.layer): effect for effect in measure(direction)}
    assert effects["only", 0].change.value == pytest.approx(effects["from", 0].change.value, rel=1e-3)
    assert effects["up to", 2].distance.value == pytest.approx(effects["from", 0].distance.value, rel=1e-3)


def test_a_part_is_read_where_it_changes_the_picture_as_much_or_not_at_all():
    shares = np.array(SHARES)[None, :, None]
    measured = np.linspace(0.5, 1.5, 8)[:, None, None] * shares * [3.0, 0.01]  # change and distance, on lines
    part = summarise("only", 2, measured, limit=0.02)
    assert (part.kind, part.layer) == ("only", 2)
    assert (part.change.value, part.distance.value) == pytest.approx((3, 0.01))
    assert part.change_at_distance.value == pytest.approx(6)
    assert math.isnan(summarise("only", 2, measured, limit=0.05).change_at_distance.value)


def test_one_layer_has_no_parts(measure):
    with pytest.raises(InputError, match="give one of several layers"):
        measure(Direction("lone", torch.ones(1, 16), (0,), sigma=1.0))
    with pytest.raises(InputError, match=r"does not move layers \[1\]"):
        stretch(Direction("half", torch.tensor([[1.0, 0], [0, 0]]), (0, 1)), [1])
