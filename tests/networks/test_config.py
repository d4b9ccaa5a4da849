"""The config: what it derives, refuses and writes."""

from __future__ import annotations

import json

import pytest

from latentedit.networks import GeneratorConfig, StyleGAN3Config, block_channels, read_config


def test_round_trip_through_json() -> None:
    config = GeneratorConfig(8, (4, 3), c_dim=2, conv_clamp=256, resample_filter=(1, 2, 1), use_noise=False)
    assert GeneratorConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_either_architecture_reads_back() -> None:
    for config in (
        GeneratorConfig(8, (4, 3)),
        StyleGAN3Config(16, (5, 4, 3), conv_clamp=None, use_radial_filters=True),
    ):
        assert read_config(json.loads(json.dumps(config.to_dict()))) == config


def test_one_architecture_does_not_read_the_other() -> None:
    with pytest.raises(ValueError, match="architecture 'stylegan3' is not 'stylegan2'"):
        GeneratorConfig.from_dict(StyleGAN3Config(16, (5, 4, 3)).to_dict())


def test_stylegan3_refuses_an_even_kernel() -> None:
    with pytest.raises(ValueError, match="conv_kernel 2 is even"):
        StyleGAN3Config(16, (5, 4, 3), conv_kernel=2)


@pytest.mark.parametrize("resolution", [0, 2, 3, 12, 1000, -8])
def test_resolution_is_a_power_of_two(resolution: int) -> None:
    with pytest.raises(ValueError, match=f"{resolution} is not a power of two"):
        GeneratorConfig(resolution, (4,))


@pytest.mark.parametrize(
    ("num_fp16_res", "conv_clamp", "half"),
    [(0, 256, []), (1, 256, [64]), (2, 256, [32, 64]), (9, 256, [8, 16, 32, 64]), (4, None, [])],
)
def test_half_precision_of_the_highest_resolutions(
    num_fp16_res: int, conv_clamp: float | None, half: list[int]
) -> None:
    config = GeneratorConfig(64, (4,) * 5, conv_clamp=conv_clamp, num_fp16_res=num_fp16_res)
    assert [resolution for resolution in config.resolutions if config.is_half(resolution)] == half


@pytest.mark.parametrize("num_fp16_res", [-1, 0.5, float("nan"), 10**9])
def test_no_number_of_resolutions(num_fp16_res: float) -> None:
    with pytest.raises(ValueError, match="num_fp16_res"):
        GeneratorConfig(8, (4, 3), num_fp16_res=num_fp16_res)


@pytest.mark.parametrize("channels", [(), (4,), (4, 4, 4)])
def test_one_width_a_block(channels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"{len(channels)} channel widths for 2 blocks"):
        GeneratorConfig(8, channels)


@pytest.mark.parametrize(("resolution", "num_ws"), [(4, 2), (256, 14), (512, 16), (1024, 18)])
def test_num_ws(resolution: int, num_ws: int) -> None:
    assert GeneratorConfig(resolution, block_channels(resolution, 32768, 512)).num_ws == num_ws


def test_widths_of_the_1024_px_face_model() -> None:
    assert block_channels(1024, 32768, 512) == (512, 512, 512, 512, 512, 256, 128, 64, 32)
