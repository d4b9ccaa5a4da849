"""Directions learned through generator and scorer, on a linear world whose answer is known."""

import pytest
import torch
from torch.nn.functional import cosine_similarity

from latentedit.discovery import Schedule, hold_scores, keep_identity, learn_direction, stay_near
from latentedit.errors import InputError

QUICK = Schedule(num_steps=300, batch=16, learning_rate=0.05)


class Project:
    """Score what the linear generator passes through as the image: <w, truth>."""

    name, range = "project", (-1.0, 1.0)

    def __init__(self, truth):
        self.truth = truth

    def __call__(self, images):
        return images.flatten(1) @ self.truth


@pytest.fixture(autouse=True)
def small_population(monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(50))


def test_the_learned_direction_is_the_true_one(linear_generator, linear_world):
    found = learn_direction(linear_generator, linear_world.ws, Project(linear_world.truth), schedule=QUICK)
    assert cosine_similarity(found.vector[0], linear_world.truth.double(), dim=0) > 0.99
    assert found.provenance["last_loss"] < 0.01 < found.provenance["first_loss"]
    again = learn_direction(linear_generator, linear_world.ws, Project(linear_world.truth), schedule=QUICK)
    assert torch.equal(again.vector, found.vector)


def test_layers_learn_apart_in_w_plus(linear_generator, linear_world):
    scorer = Project(linear_world.truth)
    found = learn_direction(linear_generator, linear_world.ws, scorer, space="w+", layers=(1, 4), schedule=QUICK)
    assert found.layers == (1, 4)
    assert cosine_similarity(found.vector.mean(dim=0), linear_world.truth.double(), dim=0) > 0.99


def test_a_held_score_stays_where_it_was(linear_generator, linear_world):
    other = torch.nn.functional.normalize(linear_world.truth + torch.randn(16), dim=0)
    held = [hold_scores([(Project(other), 1.0)], weight=20.0)]
    found = learn_direction(linear_generator, linear_world.ws, Project(linear_world.truth), "x", held, schedule=QUICK)
    row = found.vector[0] / found.vector[0].norm()
    assert abs(row @ other.double()) < 0.03 < abs(linear_world.truth @ other)
    assert row @ linear_world.truth.double() > 0.3
    assert found.provenance["num_penalties"] == 1


def test_penalties_are_zero_for_what_stays_and_above_for_what_moves():
    before, step = torch.randn(3, 3, 8, 8), torch.randn(3, 6, 16)
    scorer = Project(torch.ones(192))
    embed = torch.nn.Flatten()
    penalties = [hold_scores([(scorer, 2.0)]), keep_identity(embed, 3.0), stay_near(2.0)]
    for penalty in penalties:
        assert torch.allclose(penalty(before, before, 0 * step), torch.zeros(3), atol=1e-5)
    held, identity, near = (penalty(before, -before, step) for penalty in penalties)
    assert torch.allclose(held, scorer(before).square())
    assert torch.allclose(identity, torch.full((3,), 6.0))
    assert torch.allclose(near, 2 * step.square().mean(dim=[1, 2]))


def test_what_cannot_be_learned_is_refused(linear_generator, linear_world):
    truth = Project(linear_world.truth)
    with pytest.raises(InputError, match="learned in w or w\\+"):
        learn_direction(linear_generator, linear_world.ws, truth, space="s")
    with pytest.raises(InputError, match="3 faces to learn from: give at least 20"):
        learn_direction(linear_generator, linear_world.ws[:3], truth)
    with pytest.raises(InputError, match="project gives every face the same score"):
        learn_direction(linear_generator, linear_world.ws, Project(torch.zeros(16)))
