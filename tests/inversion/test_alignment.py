"""FFHQ's frame: where it lies, what it cuts out, and what it refuses."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentedit.errors import InputError
from latentedit.inversion.alignment import Alignment, align, crop_face

FACE = torch.tensor([[40.0, 50], [60, 50], [50, 60], [43, 74], [57, 74]])  # e2e 20, e2m 24
SIZE = (120, 110)


def turn(points, angle, scale, shift):
    """Turn by an angle, scale and shift points: [N, 2] -> [N, 2]."""
    c, s = math.cos(angle), math.sin(angle)
    return scale * points.double() @ torch.tensor([[c, s], [-s, c]], dtype=torch.float64) + shift


def test_the_frame_is_the_papers():
    found = align(FACE, SIZE)
    half = 1.8 * 24  # more than 2 * 20
    assert found.side == pytest.approx(2 * half)
    assert found.origin == pytest.approx((50 - half, 50 + 2.4 - half))
    assert found.down == pytest.approx((0, 2 * half))


def test_wide_eyes_set_the_side():
    wide = FACE + torch.tensor([[-6.0, 0], [6, 0], [0, 0], [0, 0], [0, 0]])
    assert align(wide, SIZE).side == pytest.approx(4 * 32)


def test_a_mouth_aside_turns_the_frame():
    aside = FACE + torch.tensor([[0.0, 0], [0, 0], [0, 0], [4, 0], [4, 0]])
    right = align(aside, SIZE).right
    assert right[1] / right[0] == pytest.approx(-4 / (20 + 24))


@given(angle=st.floats(-math.pi, math.pi), scale=st.floats(0.5, 9), x=st.floats(-20, 20), y=st.floats(-20, 20))
def test_a_turned_face_lies_the_same_in_its_crop(angle, scale, x, y):
    moved = turn(FACE, angle, scale, torch.tensor([x, y]))
    found = align(moved, (900, 900))
    assert torch.allclose(found.to_crop(moved), align(FACE, SIZE).to_crop(FACE), atol=1e-9)
    assert torch.allclose(found.to_photograph(found.to_crop(moved)), moved, atol=1e-9)


@pytest.mark.parametrize("resolution", [17, 64, 300])
@pytest.mark.parametrize("angle", [0.0, 0.4, 2.0])
def test_a_slope_is_cut_out_exactly(angle, resolution):
    x, y = torch.meshgrid(torch.arange(120.0) + 0.5, torch.arange(110.0) + 0.5, indexing="xy")
    photograph = torch.stack([2 * x, 2 * y, x + y]).round().to(torch.uint8)
    found = align(turn(FACE - 55, angle, 1.1, torch.tensor([60.0, 55])), (120, 110))
    u = (torch.arange(resolution, dtype=torch.float64) + 0.5) / resolution
    places = found.to_photograph(torch.stack(torch.meshgrid(u, u, indexing="xy"), dim=-1))
    inside = ((places > 4) & (places < torch.tensor([116.0, 106.0]))).all(dim=-1)
    expected = torch.stack([2 * places[..., 0], 2 * places[..., 1], places.sum(dim=-1)])
    off = (crop_face(photograph, found, resolution) - expected).abs()[:, inside]
    assert inside.float().mean() > 0.6
    assert off.max() < 1.6
    assert off.mean() < 0.5


def test_quarter_turns_are_exact():
    photograph = torch.randint(256, (3, 200, 200), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    centred = FACE - torch.tensor([50.0, 55.0])
    upright = crop_face(photograph, align(centred * 2 + 100, (200, 200)), 32)
    lying = crop_face(photograph.rot90(dims=(1, 2)), align(turn(centred * 2, -math.pi / 2, 1, 100), (200, 200)), 32)
    assert (upright.int() - lying.int()).abs().max() <= 1


def test_fine_patterns_become_grey_instead_of_aliases():
    checks = (torch.arange(900)[:, None] + torch.arange(900)) % 2 * 255
    photograph = checks.to(torch.uint8).expand(3, -1, -1)
    for angle, resolution in [(0.0, 32), (0.3, 32), (0.3, 200)]:
        found = align(turn(FACE - 50, angle, 7.3, torch.tensor([450.0, 450.0])), (900, 900))
        crop = crop_face(photograph, found, resolution)
        assert (crop.float() - 127.5).abs().max() < 6


def test_beyond_the_edge_lies_the_mirror_image():
    photograph = torch.randint(256, (3, 60, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mirrored = torch.cat([photograph, photograph.flip(1)], dim=1)
    found = Alignment((10, 30), (40, 0), (0, 40), (80, 60))
    whole = Alignment((10, 30), (40, 0), (0, 40), (80, 120))
    assert torch.equal(crop_face(photograph, found, 40), crop_face(mirrored, whole, 40))
    left = Alignment((-30, 10), (40, 0), (0, 40), (80, 60))
    assert torch.equal(crop_face(photograph, left, 40)[:, :, :30], photograph[:, 10:50, :30].flip(2))


def test_pixels_are_taken_as_they_are_at_their_own_size():
    photograph = torch.randint(256, (3, 60, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    crop = crop_face(photograph, Alignment((13, 7), (32, 0), (0, 32), (80, 60)), 32)
    assert torch.equal(crop, photograph[:, 7:39, 13:45])


def test_it_goes_through_json():
    found = align(FACE, SIZE)
    assert Alignment.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize(
    ("landmarks", "words"),
    [
        (torch.zeros(5, 2), "span no face"),
        (torch.full((5, 2), math.nan), "span no face"),
        (FACE * 1e-2, "span no face"),
        (FACE + 1e5, "far outside of the photograph's 120 x 110 pixels"),
    ],
)
def test_landmarks_of_no_face_are_refused(landmarks, words):
    with pytest.raises(InputError, match=words):
        align(landmarks, SIZE)


def test_a_frame_without_area_and_another_photograph_are_refused():
    flat = {"origin": [0, 0], "right": [50, 0], "down": [50, 0], "size": [80, 60]}
    with pytest.raises(InputError, match="no area"):
        Alignment.from_dict(flat)
    with pytest.raises(InputError, match="80 x 60 pixels, aligned was another"):
        crop_face(torch.zeros(3, 60, 80, dtype=torch.uint8), align(FACE, SIZE), 16)
