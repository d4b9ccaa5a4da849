"""Edits learned as a network of w, on a world whose best step differs from face to face."""

from dataclasses import replace

import pytest
import torch

from latentedit.checkpoints import load_record, save_record
from latentedit.discovery import (
    NonlinearEdit,
    Schedule,
    hold_scores,
    is_nonlinear,
    learn_direction,
    learn_nonlinear,
    load_nonlinear,
    save_nonlinear,
)
from latentedit.discovery.nonlinear import StepNetwork
from latentedit.errors import InputError

QUICK = Schedule(num_steps=200, batch=24, learning_rate=0.05)


class Uneven:
    """Score the second coordinate, three times as steeply for faces on one side as for those on the other."""

    name, range = "uneven", (-1.0, 1.0)

    def __call__(self, images):
        w = images.flatten(1)
        return (2 + torch.tanh(4 * w[:, 0])) * w[:, 1]


class First:
    name, range = "first", (-1.0, 1.0)

    def __call__(self, images):
        return images.flatten(1)[:, 0]


@pytest.fixture(autouse=True)
def small_population(monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(50))


@pytest.fixture
def edit(tiny_generator, tiny_direction):
    """An edit whose network nobody trained."""
    network = StepNetwork(16).requires_grad_(False)
    for tensor in (network.theta, network.outer):
        tensor.normal_(generator=torch.Generator().manual_seed(1))
    return NonlinearEdit(network, replace(tiny_direction, unit="sigma"), 1.5)


def test_every_face_takes_the_step_that_it_needs(linear_generator, linear_world):
    learned, straight = (
        learn(linear_generator, linear_world.ws, Uneven(), "uneven", schedule=QUICK)
        for learn in (learn_nonlinear, learn_direction)
    )
    assert learned.direction.provenance["last_loss"] < 0.6 * straight.provenance["last_loss"]
    ws = linear_world.ws[linear_world.ws[:, 0, 0].abs() > 1][:200]
    swept = learned.sweep(ws, [0, 1.5], unit="raw")
    assert torch.equal(swept.ws[:, 0], ws)
    step = swept.ws[:, 1, 0] - ws[:, 0]
    steep = ws[:, 0, 0] > 0
    assert step[~steep, 1].mean() > 2 * step[steep, 1].mean() > 0
    mean = learned.network(linear_world.ws).mean(dim=0)[0].double()
    assert torch.nn.functional.cosine_similarity(mean, learned.direction.vector[0], dim=0) == pytest.approx(1)
    assert float(mean.norm()) == pytest.approx(learned.length)
    some = learned.sweep(ws[:3], [2.0], layers=(1, 4), unit="sigma").ws[:, 0]
    assert torch.equal(some[:, [0, 2, 3, 5]], ws[:3, [0, 2, 3, 5]])
    assert torch.allclose(some[:, 1] - ws[:3, 1], 2 * learned.direction.sigma / 1.5 * step[:3], atol=1e-5)


def test_what_is_penalised_moves_less(linear_generator, linear_world):
    held = [hold_scores([(First(), 0.3)])]
    free, kept = (
        learn_nonlinear(
            linear_generator, linear_world.ws, First(), "x", penalties, replace(QUICK, num_steps=80, learning_rate=0.01)
        )
        for penalties in ([], held)
    )
    assert kept.length < 0.2 * free.length


def test_a_file_gives_the_same_edit_back(edit, tiny_generator, linear_world, tmp_path):
    path = tmp_path / "up.safetensors"
    save_nonlinear(edit, path)
    assert is_nonlinear(path)
    assert not is_nonlinear(tmp_path / "absent.safetensors")
    loaded, ws = load_nonlinear(path, tiny_generator), linear_world.ws[:5]
    assert torch.equal(loaded.sweep(ws, [1, -2]).ws, edit.sweep(ws, [1, -2]).ws)
    assert (loaded.name, loaded.direction.unit, loaded.length) == ("up", "sigma", 1.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "direction"}, "no intact nonlinear edit"),
        ({"name": "../up"}, "name '../up'"),
        ({"length": 0.0}, "no intact nonlinear edit"),
        ({"generator": "f" * 64}, "belongs to generator ffffffffffff"),
    ],
)
def test_a_file_that_was_changed_is_refused(edit, tiny_generator, tmp_path, change, message):
    path = tmp_path / "up.safetensors"
    save_nonlinear(edit, path)
    state, header = load_record(path)
    save_record(path, state, {**header, **change})
    with pytest.raises(InputError, match=message):
        load_nonlinear(path, tiny_generator)
    save_record(path, {**state, "theta": state["theta"] * torch.nan}, header)
    with pytest.raises(InputError, match="no intact nonlinear edit"):
        load_nonlinear(path, tiny_generator)


def test_what_cannot_be_learned_or_moved_is_refused(edit, linear_generator, linear_world):
    with pytest.raises(InputError, match="3 faces to learn from: give at least 20"):
        learn_nonlinear(linear_generator, linear_world.ws[:3], Uneven())
    with pytest.raises(InputError, match="give an alpha, and some of layers"):
        edit.sweep(linear_world.ws[:2], [1.0], layers=(9,))
    hasty = Schedule(num_steps=50, batch=8, learning_rate=100.0)
    with pytest.raises(InputError, match="learning first went astray: give a smaller learning rate than 100"):
        learn_nonlinear(linear_generator, linear_world.ws, First(), schedule=hasty)
