"""Bringing faces back to where faces lie."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.predictors import OmiAssessor, load_assessor
from latentedit.predictors.features import FeatureConfig, GradientFeatures
from latentedit.predictors.placement import COARSE, FARTHEST, Placement, move
from latentedit.training.placing import learn_placement
from latentedit.training.views import shift

OWN = ("omi", "patches")
SMALL = FeatureConfig(img_resolution=32, octaves=1, cells=(8,), num_orientations=4, colour_resolution=8)


def draw_blots(count: int, seed: int = 0) -> Tensor:
    """Draw a dark blot amid the frame, with two brighter ones of its own in each: uint8 [N, 3, 256, 256]."""
    random = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    radii = torch.rand(count, 3, generator=random) * 20 + 30
    blots = [220 - 140 * (-((x - 128) ** 2 / a**2 + (y - 128) ** 2 / b**2)).exp() + c / 4 for a, b, c in radii.tolist()]
    return torch.stack(blots).clamp(0, 255).to(torch.uint8)[:, None].expand(-1, 3, -1, -1)


def to_signed(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1


@pytest.fixture(scope="module")
def learned() -> Placement:
    return learn_placement(draw_blots(60), SMALL)


def test_it_tells_how_far_new_faces_were_moved(learned: Placement) -> None:
    faces = to_signed(draw_blots(6, seed=1))
    still = learned(faces)
    for right, down in ((6, 0), (-6, 0), (0, 6), (3, -5)):
        moved = learned(shift(right, down)(faces)) - still
        assert (moved - torch.tensor([right, down])).abs().max() < 1.0


def test_moved_faces_come_back(learned: Placement) -> None:
    faces = to_signed(draw_blots(6, seed=1))
    still, moved = learned.bring_back(faces), shift(5, -4)(faces)
    left = (learned.bring_back(moved) - still)[..., 16:-16, 16:-16].abs().mean()
    assert left < 0.2 * (moved - faces)[..., 16:-16, 16:-16].abs().mean()


def test_mirror_images_are_brought_back_alike(learned: Placement) -> None:
    faces = shift(4, 2)(to_signed(draw_blots(6, seed=1)))
    torch.testing.assert_close(
        learned.bring_back(faces.flip(-1)), learned.bring_back(faces).flip(-1), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("name", OWN)
def test_what_ships_brings_rendered_faces_back(name: str) -> None:
    placement = load_assessor(name).placement
    assert placement is not None
    face = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert placement(F.interpolate(100 * face, 64)).abs().max() <= FARTHEST
    mirrored = placement(face) * torch.tensor([-1, 1])
    torch.testing.assert_close(placement(face.flip(-1)), mirrored, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("side", [64, 256, 512])
def test_a_face_of_any_size_comes_back_the_same(learned: Placement, side: int) -> None:
    faces = to_signed(draw_blots(2, seed=1))
    sized = F.interpolate(faces, size=(side, side), mode="bicubic", antialias=True)
    torch.testing.assert_close(learned.bring_back(sized), learned.bring_back(faces), atol=0.05, rtol=0)


def test_moving_by_whole_pixels_is_a_shift() -> None:
    faces = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    offsets = torch.tensor([[4.0, 0.0], [-6.0, 8.0]])  # of 256: 2 and -3, 4 of 128
    moved = move(faces, offsets)
    for one, face, (right, down) in zip(moved, faces, [(2, 0), (-3, 4)], strict=True):
        torch.testing.assert_close(one[None], shift(right, down)(face[None]), atol=1e-4, rtol=0)


def test_a_far_pixel_has_a_gradient_through_where_the_face_lies(learned: Placement) -> None:
    face = to_signed(draw_blots(1)).requires_grad_()

    def look(images: Tensor) -> Tensor:
        return learned.bring_back(images)[..., 120:136, 60:100].sum()  # a side of the blot, far from the bump

    (gradient,) = torch.autograd.grad(look(face), face)
    bump = torch.zeros_like(face)
    bump[..., 150:200, 160:220] = 0.003
    with torch.no_grad():
        change = float(look(face + bump) - look(face - bump)) / 2
    assert abs(change) > 0.05
    assert float((gradient * bump).sum()) == pytest.approx(change, rel=0.1)


def test_an_assessor_without_a_placement_rates_faces_where_they_lie(tmp_path) -> None:
    features, faces = GradientFeatures(SMALL), torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    plain = OmiAssessor(features, ["light"], 1, 0.5)
    plain.weight.copy_(torch.randn(plain.weight.shape, generator=torch.Generator().manual_seed(1)).half())
    plain.save(tmp_path / "plain.safetensors", {})
    assert OmiAssessor.load(tmp_path / "plain.safetensors").placement is None
    expected = torch.cat(features(faces), dim=1).double() @ plain.weight.double().t()
    torch.testing.assert_close(plain(faces).double(), expected, atol=1e-4, rtol=1e-5)


def test_a_placement_of_other_shapes_is_refused() -> None:
    with pytest.raises(ValueError, match="other shapes"):
        Placement(COARSE, torch.zeros(COARSE.num_features), torch.zeros(3, 2))
