"""Edits that hold scores: exactly in a linear world, and nearly through a generator."""

from types import SimpleNamespace

import pytest
import torch

from latentedit.direction import Direction
from latentedit.editing import edit
from latentedit.errors import InputError
from latentedit.holding import Holding
from latentedit.latents import sample
from latentedit.rendering import render
from latentedit.spaces import ZDirection


class Reading:
    """Score images by a fixed weighing of their pixels."""

    range = (-1.0, 1.0)

    def __init__(self, seed, shape):
        self.name = f"reading:{seed}"
        self.weights = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) / shape[-1]

    def __call__(self, images):
        return (images * self.weights).sum(dim=[-3, -2, -1])


@pytest.fixture
def linear_generator():
    """A generator whose image is a linear map of its four rows of ws."""
    maps = torch.randn(4, 6, 12, generator=torch.Generator().manual_seed(0)) / 100  # images within [-1, 1]
    return SimpleNamespace(synthesis=lambda ws: torch.einsum("nld,ldp->np", ws, maps).reshape(-1, 3, 2, 2))


@pytest.fixture
def ws():
    return torch.randn(3, 1, 6, generator=torch.Generator().manual_seed(1)).repeat(1, 4, 1)


def make_direction(vector):
    return Direction("up", vector, tuple(range(4)), sigma=0.5)


UP = torch.randn(1, 6, generator=torch.Generator().manual_seed(2)).double().repeat(4, 1)
BENT = torch.randn(4, 6, generator=torch.Generator().manual_seed(3)).double()
SCORERS = [Reading(7, (3, 2, 2)), Reading(8, (3, 2, 2))]


@pytest.mark.parametrize("vector", [UP, BENT], ids=["W", "W+"])
def test_in_a_linear_world_scores_stay_exactly(linear_generator, ws, vector):
    swept = Holding(linear_generator, make_direction(vector), SCORERS).sweep(ws, [-2, 0, 0.7, 3], unit="raw")
    assert swept.alphas == (-2, 0, 0.7, 3)
    assert torch.equal(swept.ws[:, 1], ws)
    for scorer in SCORERS:
        scores = scorer(linear_generator.synthesis(swept.ws.flatten(0, 1))).reshape(3, 4)
        assert (scores - scores[:, 1:2]).abs().max() < 1e-6
    assert (swept.ws[:, 3] - ws).norm() > 1
    in_w = (swept.ws == swept.ws[:, :, :1]).all()
    assert in_w if vector is UP else not in_w


def test_the_correction_is_the_least_under_the_covariance(linear_generator, ws):
    covariance = torch.arange(1.0, 7).double().diag()
    swept = Holding(linear_generator, make_direction(UP), SCORERS, covariance).sweep(ws, [1.0], unit="raw")
    probe = torch.eye(6)[:, None].repeat(1, 4, 1)
    c = torch.stack([scorer(linear_generator.synthesis(probe)) for scorer in SCORERS]).double()  # [2, 6]
    expected = UP[0] - covariance @ c.t() @ torch.linalg.solve(c @ covariance @ c.t(), c @ UP[0])
    assert torch.allclose((swept.ws[:, 0, 0] - ws[:, 0]).double(), expected.expand(3, -1), atol=1e-4)


def test_through_a_generator_scores_stay_far_better_than_along_the_line(tiny_generator, tiny_direction):
    scorer, faces = Reading(1, (3, 16, 16)), sample(tiny_generator, range(3))
    held = Holding(tiny_generator, tiny_direction, [scorer]).sweep(faces, [4.0], unit="sigma").ws[:, 0]
    before, straight, after = (
        scorer(render(tiny_generator, one)) for one in (faces, edit(faces, tiny_direction, 4.0, unit="sigma"), held)
    )
    assert ((after - before).abs() < 0.02 * (straight - before).abs().mean()).all()
    assert (tiny_direction.coordinate(held) - tiny_direction.coordinate(faces)).min() > 0.5


def test_a_path_does_not_depend_on_the_other_alphas_or_faces(tiny_generator, tiny_direction):
    path = Holding(tiny_generator, tiny_direction, [Reading(1, (3, 16, 16))])
    faces = sample(tiny_generator, range(10))
    whole = path.sweep(faces, [-1, 1]).ws
    assert torch.allclose(path.sweep(faces[9:], [1]).ws[:, 0], whole[9:, 1], atol=1e-5)


def test_only_the_layers_that_are_asked_for_move(linear_generator, ws):
    swept = Holding(linear_generator, make_direction(BENT), SCORERS).sweep(ws, [2.0], layers=[1, 3])
    moved = (swept.ws[:, 0] != ws).any(dim=2).all(dim=0)
    assert moved.tolist() == [False, True, False, True]


def test_what_cannot_be_held_is_refused(linear_generator, ws):
    with pytest.raises(InputError, match="direction up: no score to hold"):
        Holding(linear_generator, make_direction(UP), [])
    with pytest.raises(InputError, match="direction z moves z: scores are held in W"):
        Holding(linear_generator, ZDirection("z", torch.ones(1, 6), (0,)), SCORERS)
    path = Holding(linear_generator, make_direction(UP), SCORERS)
    assert path.name == "up holding 7, 8"
    for wrong in ({"alphas": []}, {"alphas": [1], "layers": [9]}):
        with pytest.raises(InputError, match="direction up: give an alpha"):
            path.sweep(ws, **wrong)
    with pytest.raises(InputError, match="different generators"):
        path.sweep(ws[:, :2], [1])
