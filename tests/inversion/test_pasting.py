"""A pasted face lies where it was cut out, has the photograph's colours, and leaves no seam."""

import math

import pytest
import torch
import torch.nn.functional as F

from latentedit.errors import InputError
from latentedit.inversion.alignment import Alignment, align, crop_face
from latentedit.inversion.pasting import fade, match_colours, paste
from latentedit.photographs import to_images

FACE = torch.tensor([[40.0, 50], [60, 50], [50, 60], [43, 74], [57, 74]])


@pytest.fixture(scope="module")
def photograph():
    """A smooth picture of 300 x 260 pixels."""
    coarse = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(0)) * 200 + 20
    return F.interpolate(coarse, (260, 300), mode="bicubic").clamp(0, 255).to(torch.uint8)[0]


def frame(angle=0.0, side=2.0, x=150.0, y=130.0, size=(300, 260)):
    c, s = math.cos(angle), math.sin(angle)
    turned = side * (FACE - 55) @ torch.tensor([[c, s], [-s, c]])
    return align(turned + torch.tensor([x, y]), size)


def crop(photograph, alignment, resolution=64):
    return to_images(crop_face(photograph, alignment, resolution))


def steps(pixels):
    """Differences of neighbours: -> the largest of each direction, [3, H - 1, W - 1]."""
    image = pixels.float()
    return torch.maximum(image.diff(dim=1)[:, :, 1:].abs(), image.diff(dim=2)[:, 1:].abs())


@pytest.mark.parametrize("mode", ["face", "change"])
@pytest.mark.parametrize("angle", [0.0, 0.5, 2.8])
def test_a_face_that_was_not_edited_leaves_the_photograph_as_it_was(photograph, mode, angle):
    alignment = frame(angle)
    face = crop(photograph, alignment)
    pasted = paste(photograph, alignment, face, face, face, mode)
    assert (pasted.int() - photograph.int()).abs().max() <= (3 if mode == "face" else 0)


@pytest.mark.parametrize("mode", ["face", "change"])
@pytest.mark.parametrize("change", [0.6, -0.4])
def test_the_border_has_no_seam(photograph, mode, change):
    alignment = frame(0.3)
    face = crop(photograph, alignment)
    edited = (face + change).clamp(-1, 1)
    pasted = paste(photograph, alignment, edited, face, face, mode)
    moved = (pasted.int() - photograph.int()).abs()
    assert moved.float().max() > 0.8 * abs(change) * 127.5 - 25
    slope = (steps(pasted) - steps(photograph)).max()
    width = 0.5 * 0.25 * alignment.side  # pixels in which the mask fades, at its narrowest
    assert slope < 1.5 * abs(change) * 127.5 / width + 3  # smoothstep's steepest place is 1.5 times the mean
    hard = torch.where(moved > 0, (photograph.float() + change * 127.5).clamp(0, 255).to(torch.uint8), photograph)
    assert (steps(hard) - steps(photograph)).max() > 4 * slope


def test_far_from_the_face_no_pixel_changes(photograph):
    alignment = frame(0.3)
    face = crop(photograph, alignment)
    pasted = paste(photograph, alignment, -face, face, face)
    y, x = (pasted != photograph).any(dim=0).nonzero().t()
    places = alignment.to_crop(torch.stack([x, y], dim=1) + 0.5)
    radius = ((places - torch.tensor([0.5, 0.525])) / torch.tensor([0.25, 0.335])).norm(dim=1)
    assert radius.max() < 1.35
    assert radius.min() < 0.1


def test_a_mark_comes_back_where_it_was(photograph):
    alignment = frame(0.5)
    face = crop(photograph, alignment, 128)
    edited = face.clone()
    edited[:, 60:64, 40:44] += 1.5
    moved = (paste(photograph, alignment, edited, face, face, "change").float() - photograph.float()).sum(dim=0)
    y, x = torch.meshgrid(torch.arange(260) + 0.5, torch.arange(300) + 0.5, indexing="ij")
    centre = torch.stack([(moved * x).sum(), (moved * y).sum()]) / moved.sum()
    expected = alignment.to_photograph(torch.tensor([42 / 128, 62 / 128]))
    assert (centre - expected).norm() < 1


def test_colours_are_those_of_the_photograph_and_the_edit_keeps_its_own(photograph):
    face = crop(photograph, frame())
    pale = face * 0.6 + 0.3
    assert torch.allclose(match_colours(pale, pale, face), face, atol=1e-4)
    redder = pale.clone()
    redder[0] += 0.06
    assert (match_colours(redder, pale, face) - face).mean(dim=(1, 2)).tolist() == pytest.approx([0.1, 0, 0], abs=1e-4)


def test_a_face_beyond_the_edge_or_coarser_than_the_photograph_is_pasted(photograph):
    for alignment in (frame(x=290.0), frame(x=5.0, y=255.0), frame(side=0.3)):
        face = crop(photograph, alignment, 128)
        pasted = paste(photograph, alignment, face, face, face)
        assert pasted.shape == photograph.shape
        assert (pasted.int() - photograph.int()).abs().float().mean() < 1
    away = Alignment((400, 400), (50, 0), (0, 50), (300, 260))
    face = torch.zeros(3, 8, 8)
    assert torch.equal(paste(photograph, away, face, face, face), photograph)


def test_the_mask_is_one_within_and_fades_to_nothing():
    across = torch.stack([torch.linspace(0.5, 1, 200), torch.full([200], 0.525)], dim=1)
    weights = fade(across)
    assert weights[0] == 1
    assert weights[-1] == 0
    assert (weights.diff() <= 0).all()
    assert weights.diff().abs().max() < 0.05


def test_an_unknown_way_is_refused(photograph):
    face = torch.zeros(3, 8, 8)
    with pytest.raises(InputError, match="paste 'glue' is not known: choose one of face, change"):
        paste(photograph, frame(), face, face, face, "glue")
