"""The split at the styles: what ws become, and what becomes of styles, in both architectures."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from latentedit.networks import (
    AnyConfig,
    Generator,
    GeneratorConfig,
    NoiseMode,
    StyleGAN3Config,
    band_channels,
    block_channels,
)

SMALL: dict[str, Any] = {"z_dim": 7, "w_dim": 8, "num_mapping_layers": 2}
CONFIGS = {
    "stylegan2": GeneratorConfig(16, (6, 5, 4), **SMALL),
    "stylegan2-wide": GeneratorConfig(32, (3, 9, 2, 4), img_channels=1, conv_clamp=1.0, **SMALL),
    "stylegan3": StyleGAN3Config(16, (6, 5, 4), num_critical=1, **SMALL),
}
seeds = st.integers(0, 2**31)


def random_generator(config: AnyConfig) -> Generator:
    """Make a generator whose weights, biases and noise are all random."""
    torch.manual_seed(0)
    generator = Generator(config)
    for parameter in generator.parameters():
        parameter.data += torch.randn_like(parameter)
    return generator.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=CONFIGS)
def generator(request: pytest.FixtureRequest) -> Generator:
    return random_generator(CONFIGS[request.param])


def draw_ws(generator: Generator, seed: int, count: int = 2) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, generator.config.num_ws, generator.config.w_dim, generator=random)


@given(seeds, st.sampled_from(["const", "none"]))
def test_styles_of_ws_give_the_same_bits_as_ws(generator: Generator, seed: int, noise_mode: NoiseMode) -> None:
    ws, synthesis = draw_ws(generator, seed), generator.synthesis
    assert torch.equal(synthesis.render_styles(synthesis.make_styles(ws), noise_mode), synthesis(ws, noise_mode))


def test_styles_are_what_the_affines_give_side_by_side(generator: Generator) -> None:
    ws = draw_ws(generator, 0)
    styles, stop = generator.synthesis.make_styles(ws), 0
    assert styles.shape == (2, generator.config.num_styles)
    for name, start, width, row in generator.config.style_layers:
        affine = generator.synthesis.get_submodule(f"{name}.affine")
        assert torch.equal(styles[:, start : start + width], affine(ws[:, row]))
        assert start == stop
        stop += width
    assert stop == generator.config.num_styles


def test_every_affine_has_its_place(generator: Generator) -> None:
    """The table is computed from the config alone: here it meets the modules."""
    made = {name.removesuffix(".affine") for name, _ in generator.synthesis.named_modules() if name.endswith(".affine")}
    assert {layer.name for layer in generator.config.style_layers} == made


def test_gradients_reach_every_row_and_every_style(generator: Generator) -> None:
    ws = draw_ws(generator, 1).requires_grad_()
    styles = generator.synthesis.make_styles(ws)
    images = generator.synthesis.render_styles(styles)
    towards_styles, towards_ws = torch.autograd.grad(images.square().sum(), [styles, ws])
    assert (towards_styles != 0).float().mean() > 0.9
    assert (towards_ws != 0).all(dim=0).all()


@given(seeds, st.data())
def test_a_channel_changes_only_layers_from_its_own_on(generator: Generator, seed: int, data: st.DataObject) -> None:
    layers = generator.config.style_layers
    number = data.draw(st.integers(0, len(layers) - 1))
    channel = layers[number].start + data.draw(st.integers(0, layers[number].width - 1))
    styles = generator.synthesis.make_styles(draw_ws(generator, seed, 1))
    changed = styles.clone()
    changed[:, channel] += 3
    before, after = record_layers(generator, styles), record_layers(generator, changed)
    for name in [layer.name for layer in layers[:number]]:
        assert torch.equal(before[name], after[name])
    assert not torch.equal(before[layers[number].name], after[layers[number].name])


def record_layers(generator: Generator, styles: Tensor) -> dict[str, Tensor]:
    """Render styles and keep what each layer gives."""
    seen: dict[str, Tensor] = {}
    hooks = [
        generator.synthesis.get_submodule(layer.name).register_forward_hook(
            lambda _, __, output, name=layer.name: seen.__setitem__(name, output)
        )
        for layer in generator.config.style_layers
    ]
    generator.synthesis.render_styles(styles)
    for hook in hooks:
        hook.remove()
    return seen


def test_the_table_at_1024_px_is_wu_et_als() -> None:
    """26 layers; 6048 channels steer feature maps and 3040 the toRGB layers (Wu et al. 2021, section 3)."""
    layers = GeneratorConfig(1024, block_channels(1024, 32768, 512)).style_layers
    assert len(layers) == 26
    of_rgb = [layer for layer in layers if layer.name.endswith("torgb")]
    assert [layers.index(layer) for layer in of_rgb] == [1, 4, 7, 10, 13, 16, 19, 22, 25]
    assert sum(layer.width for layer in of_rgb) == 3040
    assert sum(layer.width for layer in layers) - 3040 == 6048
    assert layers[9] == ("b32.conv1", 9 * 512, 512, 6)
    assert layers[24] == ("b1024.conv1", 9088 - 32 - 32, 32, 16)
    assert [layer.row for layer in layers] == [0, 1, *(row for i in range(1, 17, 2) for row in (i, i + 1, i + 2))]


def test_the_table_of_stylegan3_begins_with_the_pose() -> None:
    config = StyleGAN3Config(1024, tuple([1] * 14))
    config = StyleGAN3Config(1024, band_channels(config, 32768, 512))
    layers = config.style_layers
    assert layers[0] == ("input", 0, 4, 0)
    assert [layer.row for layer in layers] == list(range(16))
    assert layers[1].name == "L0_36_512"
    assert config.num_styles == 4 + 512 + sum(config.channels)


@pytest.mark.parametrize("shape", [(2, 5), (3,), (1, 2, 3)])
def test_styles_of_another_shape(generator: Generator, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"needs \[N, {generator.config.num_styles}\]"):
        generator.synthesis.render_styles(torch.zeros(shape))
