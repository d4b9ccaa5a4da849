"""NVIDIA's pickles: both layouts of keyword arguments, contradictions, and networks that are not ours."""

from __future__ import annotations

import codecs
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nvidia_pickle import EasyDict, Persistent, Reduced, persist, write_pickle

from latentedit.checkpoints import load_generator_file
from latentedit.errors import InputError
from latentedit.networks import Generator, GeneratorConfig, StyleGAN3Config, band_channels, block_channels

# Bytes as protocol 2 spells them, but with a letter that is no byte.
NO_BYTES = Reduced(torch.storage._load_from_bytes, Reduced(codecs.encode, "\u20ac", "latin1"))
NO_TENSOR = Reduced(torch._utils._rebuild_tensor_v2, NO_BYTES, 0, (8,), (1,), False, {})
SIZES = {"z_dim": 7, "c_dim": 2, "w_dim": 8, "img_resolution": 16, "img_channels": 3}
FLAT = SIZES | {"channel_base": 64, "channel_max": 12, "num_fp16_res": 4, "conv_clamp": 256}
NESTED = SIZES | {
    "mapping_kwargs": EasyDict(num_layers=3, lr_multiplier=0.02, w_avg_beta=0.995, embed_features=None),
    "synthesis_kwargs": {"channel_base": 64, "channel_max": 12, "num_fp16_res": 4, "conv_clamp": 256},
}


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(1)
    config = GeneratorConfig(16, block_channels(16, 64, 12), z_dim=7, c_dim=2, w_dim=8, num_mapping_layers=3)
    return Generator(config)


def write(path: Path, generator: Generator, settings: dict[str, dict[str, Any]], protocol: int = 4) -> Path:
    return write_pickle(path / "network.pkl", {"G_ema": persist(generator, settings)}, protocol)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nested_arguments(tmp_path: Path, generator: Generator, protocol: int) -> None:
    checkpoint = load_generator_file(write(tmp_path, generator, {"": {"_init_kwargs": NESTED}}, protocol))
    assert (checkpoint.config.conv_clamp, checkpoint.config.w_avg_beta) == (256, 0.995)
    assert checkpoint.config.lr_multiplier == 0.02
    for name, tensor in generator.state_dict().items():
        assert torch.equal(checkpoint.generator.state_dict()[name], tensor)


def test_flat_arguments(tmp_path: Path, generator: Generator) -> None:
    checkpoint = load_generator_file(write(tmp_path, generator, {"": {"_init_kwargs": FLAT}}))
    assert (checkpoint.config.conv_clamp, checkpoint.config.w_avg_beta) == (256, 0.998)
    assert checkpoint.config.num_fp16_res == 4
    assert checkpoint.config.channels == generator.config.channels


def test_no_arguments_at_all(tmp_path: Path, generator: Generator) -> None:
    assert load_generator_file(write(tmp_path, generator, {})).config == generator.config


def test_numpy_numbers(tmp_path: Path, generator: Generator) -> None:
    settings = {"": {"_init_kwargs": {"z_dim": np.int64(7), "conv_clamp": np.float32(128)}}}
    assert load_generator_file(write(tmp_path, generator, settings)).config.conv_clamp == 128


@pytest.mark.parametrize(
    ("path", "said", "message"),
    [
        ("", {"z_dim": 8}, "z_dim 8.* 7"),
        ("", {"c_dim": 3}, "c_dim 3.* 2"),
        ("mapping", {"w_dim": 9}, "w_dim 9.* 8"),
        ("", {"img_resolution": 32}, "img_resolution 32.* 16"),
        ("synthesis", {"num_ws": 8}, "num_ws 8.* 6"),
        ("", {"_init_kwargs": {"mapping_kwargs": {"num_layers": 8}}}, "num_layers 8.* 3"),
        ("", {"_init_kwargs": {"channel_base": 128, "channel_max": 12}}, "channel_base 128.*widths"),
        ("", {"_init_kwargs": {"synthesis_kwargs": {"channel_base": 64}}}, "channel_max 512.*widths"),
        ("", {"_init_kwargs": {"conv_clamp": 256}, "conv_clamp": None}, "conv_clamp is None, and 256"),
        ("synthesis.b8.conv0", {"use_noise": False}, "use_noise False.* True"),
        ("", {"_init_kwargs": {"resample_filter": [1, 2, 1]}}, "resample_filter"),
        ("", {"_init_kwargs": {"resample_filter": [1, 3, 3, 2]}}, "resample_filter"),
        ("", {"z_dim": "seven"}, "z_dim of the module '' makes no sense"),
        ("", {"z_dim": 10**30}, "z_dim of the module '' makes no sense"),
        ("", {"z_dim": 10**5000}, "more digits than any checkpoint needs"),
        ("", {"_init_kwargs": {"resample_filter": [1, "3"]}}, "resample_filter .* makes no sense"),
    ],
)
def test_contradictions(tmp_path: Path, generator: Generator, path: str, said: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"network\.pkl: .*{message}"):
        load_generator_file(write(tmp_path, generator, {path: said}))


@pytest.mark.parametrize(
    ("path", "said", "message"),
    [
        ("synthesis.b8", {"architecture": "resnet"}, "architecture 'resnet'"),
        ("", {"_init_kwargs": {"synthesis_kwargs": {"architecture": "orig"}}}, "architecture 'orig'"),
        ("synthesis.b8.conv1", {"activation": "relu"}, "activation 'relu'"),
        ("mapping.fc0", {"activation": "linear"}, "activation 'linear'"),
        ("synthesis.b8.conv1.affine", {"activation": "lrelu"}, "activation 'lrelu'"),
    ],
)
def test_unsupported(tmp_path: Path, generator: Generator, path: str, said: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"{message}.* not supported"):
        load_generator_file(write(tmp_path, generator, {path: said}))


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("place", ["synthesis_kwargs", "block_kwargs", None])
def test_keywords_of_stylegan3_and_of_training(tmp_path: Path, depth: int, place: str | None) -> None:
    """What forks pass along to a StyleGAN2, which has no use for it."""
    said = {"num_critical": "two", "output_scale": [1], "use_radial_filters": "no", "magnitude_ema_beta": 0.9995}
    more = {"fused_modconv_default": "inference_only", "epilogue_kwargs": {"mbstd_group_size": 8}, "num_critical": 9}
    config = GeneratorConfig(16, (6, 5, 4), z_dim=7, w_dim=8, num_mapping_layers=depth)
    generator = Generator(config)
    settings = {"": {"_init_kwargs": {place: said} if place else said}, "synthesis": {"_init_kwargs": more}}
    training = {"training_set_kwargs": EasyDict(xflip=True), "augment_pipe": None, "progress": {"cur_nimg": 5}}
    path = write_pickle(tmp_path / "g.pkl", {"G_ema": persist(generator, settings), **training})
    assert load_generator_file(path).config == config


def test_widths_that_nothing_has(tmp_path: Path) -> None:
    """One mapping layer goes from z to w, and without classes nothing is embedded."""
    generator = Generator(GeneratorConfig(8, (4, 4), z_dim=7, w_dim=8, num_mapping_layers=1))
    mapping = {"num_layers": 1, "layer_features": 77, "embed_features": 99}
    path = write(tmp_path, generator, {"": {"_init_kwargs": {"mapping_kwargs": mapping}}})
    assert load_generator_file(path).config == generator.config


@pytest.mark.parametrize("said", [{"layer_features": 77}, {"embed_features": 99}])
def test_widths_that_are_others(tmp_path: Path, generator: Generator, said: dict[str, int]) -> None:
    with pytest.raises(InputError, match=rf"contradicts itself: it says {min(said)} \d+, its tensors say 8"):
        load_generator_file(write(tmp_path, generator, {"": {"_init_kwargs": {"mapping_kwargs": said}}}))


def test_neither_stylegan2_nor_stylegan3(tmp_path: Path) -> None:
    empty: dict[str, Any] = {"_modules": {}, "_parameters": {}, "_buffers": {}}
    network = Persistent(empty | {"_modules": {"synthesis": Persistent(empty), "mapping": Persistent(empty)}})
    with pytest.raises(InputError, match="no StyleGAN generator"):
        load_generator_file(write_pickle(tmp_path / "network.pkl", {"G_ema": network}))


def test_without_average(tmp_path: Path, generator: Generator) -> None:
    path = write_pickle(tmp_path / "network.pkl", {"G": persist(generator, {}), "G_ema": None})
    assert load_generator_file(path).notes == ("no G_ema in the file: G is used",)


def test_other_filter(tmp_path: Path) -> None:
    config = GeneratorConfig(8, (4, 4), z_dim=4, w_dim=4, num_mapping_layers=1, resample_filter=(1, 4, 6, 4, 1))
    generator = Generator(config)
    loaded = load_generator_file(
        write(tmp_path, generator, {"": {"_init_kwargs": {"resample_filter": [1, 4, 6, 4, 1]}}})
    )
    ws = torch.randn(1, config.num_ws, 4)
    torch.testing.assert_close(loaded.generator.synthesis(ws), generator.synthesis(ws))


@pytest.mark.parametrize("kernel", [torch.ones(3, 3), torch.eye(4) / 4, torch.ones(65, 65) / 65**2, torch.tensor(1.0)])
def test_filter_that_is_none(tmp_path: Path, generator: Generator, kernel: torch.Tensor) -> None:
    settings = {"synthesis.b8": {"_buffers": {"resample_filter": kernel}}}
    with pytest.raises(InputError, match="resample_filter"):
        load_generator_file(write(tmp_path, generator, settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mapping": {"_buffers": {"w_avg": torch.zeros(8), "extra": torch.zeros(1)}}}, "holds 'mapping.extra'"),
        ({"mapping": {"_buffers": {}}}, "lacks 'mapping.w_avg'"),
        ({"mapping": {"_buffers": {"w_avg": torch.zeros(9)}}}, r"mapping.w_avg is \[9\].* \[8\]"),
        ({"mapping": {"_buffers": {"w_avg": torch.zeros(8, dtype=torch.int64)}}}, "mapping.w_avg is not .*floating"),
        ({"mapping": {"_buffers": {"w_avg": torch.zeros(1).expand(8)}}}, "mapping.w_avg is not stored"),
        ({"mapping": {"_buffers": {f"x{i}": torch.zeros(1) for i in range(9)}}}, "'mapping.x2' and 6 more"),
        ({"synthesis.b8": {"_parameters": {"x": [1, 2]}}}, "no plain tensor"),
        ({"synthesis.b8": {"_modules": {3: Persistent({})}}}, "has no name"),
        ({"synthesis.b8": {"_modules": {"x": "y"}}}, "none of NVIDIA's"),
        ({"synthesis.b4": {"_modules": {}}}, "lacks 'synthesis.b4"),
        ({"mapping": {"_buffers": {"w_avg": NO_TENSOR}}}, "bytes expected"),
    ],
)
def test_damage_is_named(tmp_path: Path, generator: Generator, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_generator_file(write(tmp_path, generator, settings))


def test_network_that_contains_itself(tmp_path: Path, generator: Generator) -> None:
    network = persist(generator, {})
    network.meta["state"]["_modules"]["synthesis"].meta["state"]["_modules"]["again"] = network
    with pytest.raises(InputError, match="twice"):
        load_generator_file(write_pickle(tmp_path / "network.pkl", {"G_ema": network}))


LAYERS = {"num_critical": 1, "margin_size": 4, "filter_size": 4, "last_stopband_rel": 1.5}


@pytest.fixture(scope="module", params=[{}, {"conv_kernel": 1, "use_radial_filters": True, **LAYERS}], ids=["T", "R"])
def stylegan3(request: pytest.FixtureRequest) -> tuple[Generator, dict[str, Any]]:
    """A generator and the keyword arguments that its file states."""
    torch.manual_seed(1)
    widths = band_channels(StyleGAN3Config(32, (1,) * 5, **request.param), 64, 12)
    config = StyleGAN3Config(32, widths, z_dim=7, c_dim=2, w_dim=8, **request.param)
    generator = Generator(config)
    for name, tensor in generator.state_dict().items():
        if name.endswith("magnitude_ema"):
            tensor.uniform_(0.5, 2)
    sizes = {"z_dim": 7, "c_dim": 2, "w_dim": 8, "img_resolution": 32, "channel_base": 64, "channel_max": 12}
    mapping = EasyDict(num_layers=2, embed_features=None)
    return generator, sizes | request.param | {"num_layers": 5, "mapping_kwargs": mapping, "num_fp16_res": 4}


def test_stylegan3(tmp_path: Path, stylegan3: tuple[Generator, dict[str, Any]]) -> None:
    generator, arguments = stylegan3
    attributes = {"synthesis": {"num_layers": 5, "num_ws": 7}, "mapping": {"num_layers": 2}}
    path = write(tmp_path, generator, {"": {"_init_kwargs": arguments}, **attributes})
    checkpoint = load_generator_file(path)
    assert checkpoint.config == replace(generator.config, num_fp16_res=4)
    for name, tensor in generator.state_dict().items():
        assert torch.equal(checkpoint.generator.state_dict()[name], tensor)


def test_stylegan3_without_arguments(tmp_path: Path) -> None:
    """Names, shapes and filters tell what the published models differ in."""
    generator = Generator(StyleGAN3Config(16, (5, 4, 3), z_dim=5, w_dim=6, conv_kernel=1, use_radial_filters=True))
    assert load_generator_file(write(tmp_path, generator, {})).config == generator.config


@pytest.mark.parametrize(
    ("path", "said", "message"),
    [
        ("", {"img_resolution": 64}, "img_resolution 64.* 16"),
        ("synthesis", {"num_layers": 14}, "num_synthesis_layers 14.* 3"),
        ("mapping", {"num_layers": 8}, "num_layers 8.* 2"),
        ("", {"_init_kwargs": {"mapping_kwargs": {"num_layers": 8}}}, "num_layers 8.* 2"),
        ("", {"_init_kwargs": {"channel_base": 32, "channel_max": 12}}, "channel_base 32.*widths"),
        ("", {"_init_kwargs": {"margin_size": 4}}, "holds 'synthesis.L0_36_5"),
        ("synthesis", {"margin_size": 4, "_init_kwargs": {"margin_size": 5}}, "margin_size is 4, and 5"),
        ("", {"_init_kwargs": {"use_radial_filters": True}}, "_filter' is not the filter that its settings make"),
        ("", {"_init_kwargs": {"lrelu_upsampling": 4}}, "_filter' is not the filter that its settings make"),
        ("", {"_init_kwargs": {"last_stopband_rel": 1.3}}, "_filter' is not the filter that its settings make"),
        ("", {"_init_kwargs": {"lrelu_upsampling": 2**30}}, "lrelu_upsampling 1073741824 is not within 1 and 8"),
        ("", {"_init_kwargs": {"output_scale": "small"}}, "output_scale of the module '' makes no sense"),
        ("synthesis.input", {"_buffers": {}}, "lacks 'synthesis.input.freqs'"),
    ],
)
def test_stylegan3_contradictions(tmp_path: Path, path: str, said: dict[str, Any], message: str) -> None:
    generator = Generator(StyleGAN3Config(16, (5, 4, 3), z_dim=5, w_dim=6))
    with pytest.raises(InputError, match=rf"network\.pkl: .*{message}"):
        load_generator_file(write(tmp_path, generator, {path: said}))


@pytest.mark.parametrize("taps", [torch.ones(12) / 12, torch.ones(3), torch.ones(12).long()])
def test_stylegan3_filter_that_is_another(tmp_path: Path, taps: torch.Tensor) -> None:
    generator = Generator(StyleGAN3Config(16, (5, 4, 3), z_dim=5, w_dim=6))
    layer = generator.config.layer_names[1]
    buffers = dict(generator.synthesis.get_submodule(layer)._buffers)
    settings = {f"synthesis.{layer}": {"_buffers": buffers | {"down_filter": taps}}}
    with pytest.raises(InputError, match=f"{layer}.down_filter' is not the filter"):
        load_generator_file(write(tmp_path, generator, settings))
