"""Directions in StyleSpace and in Z obey the laws of those in W."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentedit.addresses import load_direction
from latentedit.checkpoints import fingerprint, load_record, save_record
from latentedit.direction import Direction, cosine, cosines
from latentedit.discovery import calibrate
from latentedit.discovery.finding import POPULATION_SEEDS
from latentedit.editing import convert_alpha, edit, sweep
from latentedit.errors import InputError
from latentedit.evaluation import measure_effects
from latentedit.latents import sample, sample_z, to_styles, to_ws
from latentedit.library import read_direction, save_direction
from latentedit.spaces import StyleDirection, ZDirection

WIDTHS = (4, 4, 3, 5, 5)  # of five style layers
alphas, seeds = st.floats(-20, 20), st.integers(0, 2**31)
STYLES = torch.randn(3, sum(WIDTHS), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
Z = torch.randn(3, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@st.composite
def style_directions(draw):
    """Random directions that move some style layers."""
    layers = sorted(draw(st.sets(st.integers(0, len(WIDTHS) - 1), min_size=1)))
    vector = torch.randn(len(layers), max(WIDTHS), generator=torch.Generator().manual_seed(draw(seeds)))
    for layer, row in zip(layers, vector, strict=True):
        row[WIDTHS[layer] :] = 0
    return StyleDirection("some", vector, tuple(layers), sigma=0.5, style_widths=WIDTHS)


def channel(layer, number, **fields):
    vector = torch.zeros(1, max(WIDTHS))
    vector[0, number] = 1
    return StyleDirection(f"{layer}_{number}", vector, (layer,), style_widths=WIDTHS, **fields)


z_directions = seeds.map(
    lambda seed: ZDirection("some", torch.randn(1, 12, generator=torch.Generator().manual_seed(seed)), (0,), sigma=0.5)
)
with_latents = style_directions().map(lambda d: (STYLES, d)) | z_directions.map(lambda d: (Z, d))


@given(with_latents)
def test_alpha_zero_is_the_identity(pair):
    latents, direction = pair
    assert torch.equal(edit(latents, direction, 0), latents)


@given(with_latents, alphas, alphas)
def test_edits_add(pair, a, b):
    latents, direction = pair
    assert torch.allclose(edit(edit(latents, direction, a), direction, b), edit(latents, direction, a + b), atol=1e-9)


@given(style_directions(), style_directions(), alphas, alphas)
def test_edits_commute(one, other, a, b):
    assert torch.allclose(edit(edit(STYLES, one, a), other, b), edit(edit(STYLES, other, b), one, a), atol=1e-9)


@given(style_directions(), alphas, st.sets(st.integers(0, len(WIDTHS) - 1), min_size=1))
def test_only_the_named_style_layers_move(direction, alpha, layers):
    if not layers & set(direction.layers):
        with pytest.raises(InputError, match="moves none of them"):
            edit(STYLES, direction, alpha, sorted(layers))
        return
    moved = (edit(STYLES, direction, alpha, sorted(layers)) - STYLES).split(WIDTHS, dim=1)
    rows = dict(zip(direction.layers, direction.vector, strict=True))
    for layer, part in enumerate(moved):
        expected = alpha * rows[layer][: WIDTHS[layer]] if layer in rows and layer in layers else torch.zeros(1)
        assert torch.allclose(part, expected.double().expand_as(part), atol=1e-12)


@given(with_latents, alphas)
def test_the_coordinate_is_how_often_the_vector_was_added(pair, alpha):
    latents, direction = pair
    moved = direction.coordinate(edit(latents, direction, alpha)) - direction.coordinate(latents)
    assert torch.allclose(moved, torch.tensor(alpha, dtype=torch.float64), atol=1e-9)


@given(with_latents, alphas, st.sampled_from(["raw", "sigma", "flat"]))
def test_units_convert_into_one_another(pair, alpha, unit):
    latents, direction = pair
    for other, value in convert_alpha(direction, alpha, unit).items():
        assert torch.allclose(
            edit(latents, direction, value, unit=other), edit(latents, direction, alpha, unit=unit), atol=1e-9
        )


@given(with_latents)
def test_a_sweep_is_each_alpha_alone(pair):
    latents, direction = pair
    swept = sweep(latents, direction, [-2, 0, 5])
    assert swept.latents.shape == (3, 3, latents.shape[1])
    for j, alpha in enumerate(swept.alphas):
        assert torch.equal(swept.latents[:, j], edit(latents, direction, alpha))
    with pytest.raises(InputError, match="this sweep has no ws, take its latents"):
        swept.ws  # noqa: B018


@given(style_directions(), style_directions())
def test_conditioning_is_orthogonal_and_idempotent(one, other):
    rows = torch.randn(len(WIDTHS), max(WIDTHS), generator=torch.Generator().manual_seed(77))
    held = torch.arange(max(WIDTHS)) < torch.tensor(WIDTHS)[:, None]
    everywhere = StyleDirection("everywhere", rows * held, tuple(range(len(WIDTHS))), style_widths=WIDTHS)
    result = everywhere.condition_on([one, other])
    assert (result.space, result.layers, result.sigma) == ("s", everywhere.layers, None)
    assert max(abs(cosine(result, condition)) for condition in (one, other)) < 1e-9
    assert torch.allclose(result.condition_on([one, other]).vector, result.vector, atol=1e-9)


def test_two_channels_are_orthogonal_and_one_layer_wide():
    one, other, elsewhere = channel(3, 1), channel(3, 4), channel(0, 1)
    assert cosines([one, other, elsewhere]).tolist() == torch.eye(3).tolist()
    assert torch.equal(one.condition_on([other, elsewhere]).vector, one.vector)
    assert one.channels == {"3_1": 1.0}


def test_spaces_do_not_mix():
    in_w = Direction("up", torch.ones(2, 5), (0, 1))
    in_z, in_s = ZDirection("deep", torch.ones(1, 5), (0,)), channel(3, 1)
    for one, other in ((in_s, in_w), (in_w, in_z), (in_z, in_s)):
        with pytest.raises(InputError, match=r"directions of different spaces .*: give directions of one space"):
            one.condition_on([other])
        with pytest.raises(InputError, match="different spaces"):
            cosines([one, other])
    narrow = StyleDirection("narrow", torch.ones(1, 5), (0,), style_widths=(5, 4))
    with pytest.raises(InputError, match=r"3_1 has 21 channels in 5 style layers, narrow has 9 .* generators"):
        cosine(in_s, narrow)


def test_what_is_no_direction_of_the_space_is_refused():
    with pytest.raises(InputError, match="channels that its style layers have not"):
        StyleDirection("wide", torch.ones(1, 5), (0,), style_widths=WIDTHS)
    for vector, layers in ((torch.ones(1, 5), (5,)), (torch.ones(1, 4), (0,))):
        with pytest.raises(InputError, match="style layers"):
            StyleDirection("bad", vector, layers, style_widths=WIDTHS)
    with pytest.raises(InputError, match="no layers but 0"):
        ZDirection("deep", torch.ones(1, 5), (1,))


def test_latents_of_another_space_are_refused(tiny_generator, tiny_direction):
    ws = sample(tiny_generator, range(2))
    in_z, in_s = ZDirection("deep", torch.ones(1, 16), (0,)), load_direction("2_3", tiny_generator)
    with pytest.raises(InputError, match=r"deep moves z, \[N, 16\], the latents are \[2, 6, 16\]: give z"):
        edit(ws, in_z, 1)
    with pytest.raises(InputError, match="deep moves z"):
        edit(torch.zeros(2, 16, 16), in_z, 1)  # ws of as many layers as its width
    with pytest.raises(InputError, match=r"2_3 moves styles, 64 channels in 8 style layers, .*: give to_styles"):
        edit(ws, in_s, 1)
    for latents in (to_styles(tiny_generator, ws), sample_z([0], 16)[0]):
        with pytest.raises(InputError, match="they belong to different generators"):
            edit(latents, tiny_direction, 1)
    with pytest.raises(InputError, match="moves styles"):
        measure_effects(tiny_generator, lambda images: images.mean(dim=[1, 2, 3])[:, None], in_s, ws, {})


@given(direction=style_directions() | z_directions)
def test_a_saved_direction_is_loaded_equal(direction, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "some.safetensors"
    save_direction(replace(direction, provenance={"method": "drawn"}), path)
    loaded = read_direction(path)
    assert type(loaded) is type(direction)
    assert torch.equal(loaded.vector, direction.vector)
    assert (loaded.layers, loaded.sigma, loaded.widths) == (direction.layers, direction.sigma, direction.widths)


@pytest.mark.parametrize("change", [{"space": "q"}, {"space": 3}, {"style_widths": [4]}, {"style_widths": "many"}])
def test_a_header_that_anybody_wrote_is_refused(tmp_path, change):
    save_direction(channel(3, 1), tmp_path / "c.safetensors")
    tensors, header = load_record(tmp_path / "c.safetensors")
    save_record(tmp_path / "c.safetensors", tensors, header | change)
    with pytest.raises(InputError, match=r"c\.safetensors is no intact direction"):
        read_direction(tmp_path / "c.safetensors")


def test_a_step_in_w_is_a_step_in_s_by_the_affines_linear_part(tiny_generator, tiny_direction):
    ws, rows = sample(tiny_generator, range(3)), dict(enumerate(tiny_direction.vector.float()))
    linear = []
    for layer in tiny_generator.config.style_layers:
        affine = tiny_generator.synthesis.get_submodule(f"{layer.name}.affine")
        linear.append(rows[layer.row] @ affine.weight.t() * affine.weight_gain)
    widths = tuple(layer.width for layer in tiny_generator.config.style_layers)
    lifted = StyleDirection("up", torch.stack(linear), tuple(range(len(linear))), style_widths=widths)
    for alpha in (-3, 0.5, 7):
        by_w = to_styles(tiny_generator, edit(ws, tiny_direction, alpha))
        assert torch.allclose(by_w, edit(to_styles(tiny_generator, ws), lifted, alpha), atol=1e-5)


def test_sigma_of_a_channel_is_its_deviation_over_the_population(tiny_generator):
    layer = tiny_generator.config.style_layers[4]
    direction = calibrate(load_direction("4_5", tiny_generator), tiny_generator)
    styles = to_styles(tiny_generator, sample(tiny_generator, POPULATION_SEEDS))
    assert direction.sigma == pytest.approx(float(styles[:, layer.start + 5].double().std()))
    assert direction.generator == fingerprint(tiny_generator)


def test_sigma_in_z_is_the_gaussians(tiny_generator):
    direction = calibrate(ZDirection("z", torch.ones(1, 12) / math.sqrt(12), (0,)), tiny_generator)
    assert direction.sigma == pytest.approx(1, abs=0.03)


@given(z_directions, alphas, st.floats(0.1, 10))
def test_no_picture_knows_the_norm_of_z(tiny_generator, direction, alpha, scale):
    """So GANalyze's scaling of z back to its norm, which is left out here, changes nothing."""
    z = edit(Z.float(), direction, alpha)
    assert torch.allclose(to_ws(tiny_generator, z), to_ws(tiny_generator, scale * z), atol=1e-4)
