import math

import pytest
import torch

from latentedit.training import ada
from latentedit.training.ada import (
    Strength,
    along_grey,
    augment_adaptively,
    draw_colours,
    draw_maps,
    recolour,
    rotation,
    scaling,
    translation,
    warp,
)

ONE = torch.ones(1)


def picture(n=1, side=16):
    """Draw smooth images that no mirror or turn leaves as they are: -> [n, 3, side, side]."""
    ramp = torch.linspace(-1, 1, side)
    x, y = torch.meshgrid(ramp, ramp, indexing="xy")
    return torch.stack([(x + 2 * y + 0.5 * torch.sin(3 * x * y)) / 3, x * y, x]).repeat(n, 1, 1, 1)


def test_without_strength_nothing_happens():
    images = picture(3)
    assert torch.equal(augment_adaptively(images, 0.0), images)


def test_an_image_that_is_not_drawn_keeps_its_bits():
    torch.manual_seed(0)
    images = picture(400)
    same = (augment_adaptively(images, 0.05) == images).flatten(1).all(dim=1).float().mean()
    assert 0.4 < same < 0.75  # (1 - p) to the power of 11 kinds is .57


def test_the_smallest_strength_may_move_no_image_at_all():
    torch.manual_seed(0)
    assert torch.allclose(augment_adaptively(picture(2), 1e-9), picture(2), atol=1e-6)


@pytest.mark.parametrize("p", [0.3, 1.0])
def test_each_kind_of_map_is_drawn_with_its_probability(p):
    torch.manual_seed(0)
    n = 20_000
    area = torch.linalg.det(draw_maps(n, p, 64)[:, :2, :2])
    assert (area < 0).float().mean() == pytest.approx(p / 2, abs=0.02)  # flips
    assert (area.abs().log2().abs() > 1e-3).float().mean() == pytest.approx(p, abs=0.02)
    assert area.abs().log2().std() == pytest.approx(0.4 * math.sqrt(p), abs=0.02)
    colours = draw_colours(n, p)
    assert (colours[:, 0, 3] != 0).float().mean() == pytest.approx(p, abs=0.02)
    assert torch.linalg.det(colours[:, :3, :3]).lt(0).float().mean() == pytest.approx(p / 2, abs=0.02)


def test_the_map_without_a_shift_keeps_the_pixels():
    images = picture(2)
    assert torch.allclose(warp(images, torch.eye(3).repeat(2, 1, 1)), images, atol=1e-6)


def test_a_flip_mirrors_and_a_quarter_turn_turns():
    images = picture()
    assert torch.allclose(warp(images, scaling(-ONE, ONE)), images.flip(3), atol=1e-5)
    assert torch.allclose(warp(images, rotation(ONE * math.pi / 2)), images.rot90(1, [2, 3]), atol=1e-5)


def test_a_translation_by_whole_pixels_moves_whole_pixels():
    images = picture()
    moved = warp(images, translation(ONE * 2 * 3 / 16, ONE * 2 * -2 / 16))
    assert torch.allclose(moved[:, :, 2:, :-3], images[:, :, :-2, 3:], atol=1e-5)


def test_maps_compose():
    images = torch.nn.functional.interpolate(picture(side=8), size=64, mode="bicubic")
    first, second = rotation(ONE * 0.3), translation(ONE * 0.1, ONE * 0.05)
    centre = (..., slice(16, 48), slice(16, 48))
    twice = warp(warp(images, first), second)
    assert (warp(images, first @ second)[centre] - twice[centre]).abs().max() < 0.02
    assert (warp(images, second @ first)[centre] - twice[centre]).abs().max() > 0.02


def test_the_mean_is_kept_where_an_image_is_enlarged_and_turned():
    x = picture(side=32)[:, 2:]
    disc = torch.exp(-32 * (x**2 + x.transpose(2, 3) ** 2))
    half = warp(disc, scaling(ONE * 0.8, ONE * 1.25) @ rotation(ONE * 0.7))
    assert half.sum() == pytest.approx(float(disc.sum()), rel=0.03)  # of determinant one
    grown = warp(disc, scaling(ONE * 0.8, ONE * 0.8))
    assert grown.sum() == pytest.approx(float(disc.sum()) / 0.64, rel=0.03)


def test_a_shrunk_checkerboard_does_not_alias():
    board = torch.arange(32).view(-1, 1) + torch.arange(32)
    board = (board % 2 * 2.0 - 1).expand(1, 1, 32, 32)
    to_centres = translation(ONE / 32, ONE / 32) @ scaling(ONE * 2, ONE * 2)  # of every other pixel, all of one colour
    assert warp(board, to_centres).abs().max() < 0.1


def test_colours_turn_about_grey():
    images = picture()
    grey = images.mean(dim=1, keepdim=True)
    assert torch.allclose(recolour(images, along_grey(ONE, 0 * ONE, ONE)), grey.expand_as(images), atol=1e-6)
    assert torch.allclose(recolour(images, along_grey(-ONE, ONE, 0 * ONE)), images - 2 * grey, atol=1e-6)
    third = recolour(images, along_grey(ONE, ONE, ONE * 2 * math.pi / 3))
    assert torch.allclose(third, images.roll(1, dims=1), atol=1e-6)


def test_brightness_is_added_before_contrast(monkeypatch):
    monkeypatch.setattr(ada, "_perhaps", lambda p, drawn, neutral: neutral + 0.5 * (neutral == 0))
    colours = draw_colours(1, 1.0)  # brightness .5, hue .5, contrast 1
    assert torch.allclose(recolour(torch.zeros(1, 3, 2, 2), colours), torch.full([1, 3, 2, 2], 0.5))


def test_gradients_flow_to_every_image_and_to_it_alone():
    torch.manual_seed(0)
    images = picture(4).requires_grad_()
    torch.manual_seed(1)
    augmented = augment_adaptively(images, 0.8)
    for i in range(4):
        (gradient,) = torch.autograd.grad(augmented[i].sum(), images, retain_graph=True)
        assert gradient[i].abs().sum() > 1
        assert gradient.abs().sum() == gradient[i].abs().sum()
    others = torch.cat([images[:1].detach(), torch.rand(3, 3, 16, 16)])
    torch.manual_seed(1)
    assert torch.allclose(augment_adaptively(others, 0.8)[0], augmented[0], atol=1e-6)


def test_a_seed_gives_the_same_bits():
    results = []
    for _ in range(2):
        torch.manual_seed(5)
        results.append(augment_adaptively(picture(4), 0.5))
    assert torch.equal(*results)


def test_strength_moves_towards_the_target():
    strength = Strength(0.0, target=0.6, images=1000)
    for _ in range(8):
        strength.observe(torch.ones(10))
    assert strength.p == pytest.approx(80 / 1000)
    for _ in range(4):
        strength.observe(torch.tensor([1.0, -1.0]))
    assert strength.p == pytest.approx(80 / 1000 - 8 / 1000)
    for _ in range(400):
        strength.observe(-torch.ones(10))
    assert strength.p == 0
    for _ in range(400):
        strength.observe(torch.ones(10))
    assert strength.p == 1


def test_strength_rests_at_the_target():
    strength = Strength(0.25, target=0.5, images=1000)
    for _ in range(8):
        strength.observe(torch.tensor([1.0, 1.0, 1.0, -1.0]))
    assert strength.p == 0.25
