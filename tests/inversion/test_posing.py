"""A StyleGAN3 turned by its input shows the photograph's upright crop as the aligned one, turned back, would be."""

from pathlib import Path

import pytest
import torch

import latentedit as le
from latentedit.errors import InputError
from latentedit.inversion.alignment import Alignment, align, grid, sample
from latentedit.inversion.portraits import Portrait
from latentedit.inversion.posing import pose, read_pose, relate, set_upright

NETWORK = Path(__file__).parents[1] / "data" / "stylegan3-t-64.pkl"
LANDMARKS = torch.tensor([[40.0, 50.0], [62.0, 58.0], [48.0, 66.0], [36.0, 74.0], [54.0, 80.0]])  # leaning right


@pytest.fixture(scope="module")
def generator():
    return le.load_generator(NETWORK)


@pytest.fixture
def portrait():
    return Portrait(Path("photo.png"), torch.zeros(3, 120, 110, dtype=torch.uint8), align(LANDMARKS, (110, 120)))


def test_the_upright_crop_has_the_same_centre_and_side(portrait):
    upright, transform = set_upright(portrait)
    middle = torch.tensor([0.5, 0.5])
    frames = [one.alignment for one in (portrait, upright)]
    assert torch.allclose(frames[0].to_photograph(middle), frames[1].to_photograph(middle))
    assert frames[0].side == pytest.approx(frames[1].side)
    assert frames[1].right[1] == frames[1].down[0] == 0
    turn = transform[:2, :2]
    assert torch.allclose(turn @ turn.t(), torch.eye(2).double(), atol=1e-9)
    assert abs(float(turn[0, 1])) > 0.2
    assert torch.allclose(transform[:2, 2], torch.zeros(2).double(), atol=1e-9)


def test_places_are_carried_from_crop_to_crop():
    frame = Alignment((10.0, 5.0), (30.0, 12.0), (-12.0, 30.0), (100, 100))
    shown = Alignment((0.0, 8.0), (50.0, 0.0), (0.0, 50.0), (100, 100))
    place = torch.tensor([0.3, 0.8], dtype=torch.float64)
    carried = relate(shown, frame) @ torch.cat([place - 0.5, torch.ones(1, dtype=torch.float64)])
    assert torch.allclose(carried[:2] + 0.5, frame.to_crop(shown.to_photograph(place)))


def test_the_posed_input_is_the_aligned_one_turned_and_moved(generator):
    frame = Alignment((10.0, 5.0), (30.0, 12.0), (-12.0, 30.0), (100, 100))
    transform = relate(Alignment((0.0, 8.0), (32.0, 0.0), (0.0, 32.0), (100, 100)), frame).float()
    still = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    layers = [one.synthesis.get_submodule("input") for one in (generator, pose(generator, transform))]
    plain, posed = (layer(still) for layer in layers)
    rate, size = layers[0].band.sampling_rate, layers[0].band.size
    places = ((grid(size) - 0.5) * size / rate).float() @ transform[:2, :2].t() + transform[:2, 2]
    turned = sample(plain, places * rate + size / 2)
    inner = (places.abs() < 0.5).all(dim=-1)
    errors = [(posed - other)[..., inner].square().mean() for other in (turned, plain)]
    assert errors[0] < 0.05 * errors[1]


def test_a_pose_is_read_back_and_leaves_the_given_generator(generator):
    transform = torch.tensor([[0.0, -1, 0.1], [1, 0, 0], [0, 0, 1]])
    posed = pose(generator, transform)
    assert torch.equal(read_pose(posed), transform)
    assert read_pose(generator) is None
    assert le.fingerprint(posed) == le.fingerprint(generator)


def test_stylegan2_and_other_transforms_are_refused(generator, tiny_generator):
    assert read_pose(tiny_generator) is None
    with pytest.raises(InputError, match="only a StyleGAN3 turns its input"):
        pose(tiny_generator, torch.eye(3))
    for wrong in (torch.eye(2), torch.full((3, 3), torch.nan)):
        with pytest.raises(InputError, match="3 x 3 numbers"):
            pose(generator, wrong)
