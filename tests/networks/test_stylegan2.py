"""The StyleGAN2 generator against NVIDIA's values, and the laws that any generator obeys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from latentedit.networks import Generator, GeneratorConfig, block_channels

DATA = Path(__file__).parents[1] / "data"
IMAGES = {"image": "ws", "image_psi07": "ws_psi07", "image_wplus": "wplus"}


def tiny(**changes: Any) -> Generator:
    """Make a 16 px generator with random weights, noise and w_avg."""
    torch.manual_seed(0)
    values = {"img_resolution": 16, "channels": (6, 5, 4), "z_dim": 7, "w_dim": 8, "num_mapping_layers": 2}
    generator = Generator(GeneratorConfig(**(values | changes)))
    for parameter in generator.parameters():
        parameter.data += torch.randn_like(parameter)
    generator.mapping.w_avg += torch.randn_like(generator.mapping.w_avg)
    return generator.eval().requires_grad_(False)


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).norm() / expected.norm())


@pytest.fixture(scope="module", params=["stylegan2-64", "stylegan2-32-conditional"])
def reference(request: pytest.FixtureRequest) -> tuple[Generator, dict[str, Tensor]]:
    """A generator with the parameters of NVIDIA's run, and the values of that run."""
    with np.load(DATA / f"{request.param}.npz", allow_pickle=False) as file:
        stated = json.loads(str(file["config"]))
        values = {name: torch.from_numpy(file[name]).float() for name in file.files if name != "config"}
    depth = stated.pop("mapping_kwargs", {}).get("num_layers", 8)
    stated["channels"] = block_channels(stated["img_resolution"], stated.pop("channel_base"), stated.pop("channel_max"))
    del stated["num_fp16_res"]
    generator = Generator(GeneratorConfig(**stated, num_mapping_layers=depth))
    names = [name for name in values if name.startswith("param/") and not name.endswith("resample_filter")]
    generator.load_state_dict({name.removeprefix("param/"): values[name] for name in names})
    return generator.eval().requires_grad_(False), values


@pytest.mark.parametrize(
    ("name", "truncation"), [("ws", (1.0, None)), ("ws_psi07", (0.7, None)), ("ws_psi05_cutoff4", (0.5, 4))]
)
def test_mapping(
    reference: tuple[Generator, dict[str, Tensor]], name: str, truncation: tuple[float, int | None]
) -> None:
    generator, values = reference
    assert relative_error(generator.map(values["z"], values.get("c"), *truncation), values[name]) < 1e-5


@pytest.mark.parametrize("name", IMAGES)
def test_synthesis(reference: tuple[Generator, dict[str, Tensor]], name: str) -> None:
    generator, values = reference
    assert relative_error(generator.synthesis(values[IMAGES[name]]), values[name]) < 1e-5


def test_synthesis_without_noise(reference: tuple[Generator, dict[str, Tensor]]) -> None:
    generator, values = reference
    assert relative_error(generator.synthesis(values["ws_psi07"], "none"), values["image_nonoise"]) < 1e-5
    assert relative_error(generator.synthesis(values["ws_psi07"]), values["image_nonoise"]) > 1e-2


def test_filters(reference: tuple[Generator, dict[str, Tensor]]) -> None:
    generator, values = reference
    for name, buffer in generator.named_buffers():
        if name.endswith("resample_filter"):
            torch.testing.assert_close(buffer, values[f"param/{name}"])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), batch=st.integers(2, 5), data=st.data())
def test_a_latent_is_the_same_face_in_any_batch(seed: int, batch: int, data: st.DataObject) -> None:
    generator, row = tiny(), data.draw(st.integers(0, batch - 1))
    z = torch.from_numpy(np.random.default_rng(seed).standard_normal((batch, 7))).float()
    torch.testing.assert_close(generator(z)[row], generator(z[row : row + 1])[0], rtol=1e-4, atol=1e-4)


def test_noise_modes() -> None:
    generator = tiny()
    ws = generator.map(torch.randn(2, 7))
    const, none = generator.synthesis(ws), generator.synthesis(ws, "none")
    assert torch.equal(const, generator.synthesis(ws))
    assert not torch.allclose(const, none)
    first, second = generator.synthesis(ws, "random"), generator.synthesis(ws, "random")
    assert not torch.allclose(first, second)
    repeated = generator.synthesis(ws[:1].expand(2, -1, -1), "random")
    assert not torch.allclose(repeated[0], repeated[1])


def test_noise_strength_zero_is_no_noise() -> None:
    generator = tiny()
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.zero_()
    ws = generator.map(torch.randn(1, 7))
    for mode in ("const", "random"):
        torch.testing.assert_close(generator.synthesis(ws, mode), generator.synthesis(ws, "none"))


def test_generator_without_noise() -> None:
    generator = tiny(use_noise=False)
    assert not [name for name in generator.state_dict() if "noise" in name]
    ws = generator.map(torch.randn(1, 7))
    assert torch.equal(generator.synthesis(ws, "random"), generator.synthesis(ws, "none"))


def test_truncation_laws() -> None:
    generator, z = tiny(), torch.randn(3, 7)
    ws, w_avg = generator.map(z), generator.mapping.w_avg
    assert torch.equal(generator.map(z, truncation_psi=1), ws)
    assert torch.equal(generator.map(z, truncation_psi=0), w_avg.expand_as(ws))
    torch.testing.assert_close(generator.map(z, truncation_psi=0.3), w_avg + 0.3 * (ws - w_avg))


@pytest.mark.parametrize("cutoff", [0, 1, 4, 6])
def test_truncation_cutoff(cutoff: int) -> None:
    generator, z = tiny(), torch.randn(3, 7)
    ws = generator.map(z, truncation_psi=0.5, truncation_cutoff=cutoff)
    assert torch.equal(ws[:, :cutoff], generator.map(z, truncation_psi=0.5)[:, :cutoff])
    assert torch.equal(ws[:, cutoff:], generator.map(z)[:, cutoff:])


def test_w_avg_follows_the_mean_of_w() -> None:
    generator = tiny(w_avg_beta=0.75)
    before, w = generator.mapping.w_avg.clone(), torch.randn(5, 8)
    generator.mapping.track_average(w)
    torch.testing.assert_close(generator.mapping.w_avg, 0.75 * before + 0.25 * w.mean(dim=0))


def test_conditional_generator_needs_c() -> None:
    generator, z = tiny(c_dim=3), torch.randn(2, 7)
    for c in (None, torch.ones(2, 4)):
        with pytest.raises(ValueError, match="give c with 3 columns"):
            generator.map(z, c)
    one, other = torch.eye(3)[:2], torch.eye(3)[1:]
    assert not torch.allclose(generator.map(z, one), generator.map(z, other))


@pytest.mark.parametrize("shape", [(2, 8), (2, 5, 8), (2, 6, 7), (6, 8)])
def test_ws_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"needs \[N, 6, 8\]"):
        tiny().synthesis(torch.zeros(shape))


@pytest.mark.parametrize(
    "changes",
    [
        {"img_resolution": 4, "channels": (3,)},
        {"img_resolution": 32, "channels": (2, 9, 1, 4), "img_channels": 1},
        {"num_mapping_layers": 1, "layer_features": 5},
        {"num_mapping_layers": 4, "layer_features": 5, "c_dim": 2, "embed_features": 3},
        {"resample_filter": (1, 2, 1), "conv_clamp": 0.5},
    ],
)
def test_other_widths_and_depths(changes: dict[str, Any]) -> None:
    generator = tiny(**changes)
    config = generator.config
    c = torch.ones(2, config.c_dim) if config.c_dim else None
    ws = generator.map(torch.randn(2, 7), c)
    assert ws.shape == (2, config.num_ws, 8)
    images = generator.synthesis(ws)
    assert images.shape == (2, config.img_channels, config.img_resolution, config.img_resolution)
    assert images.isfinite().all()


def test_clamp_bounds_the_image() -> None:
    ws = torch.randn(4, 2, 8) * 10
    changes: dict[str, Any] = {"img_resolution": 4, "channels": (3,)}
    assert tiny(**changes).synthesis(ws).abs().max() > 0.5
    assert tiny(**changes, conv_clamp=0.5).synthesis(ws).abs().max() <= 0.5


def test_a_row_of_ws_steers_its_layers_only() -> None:
    """The last row feeds nothing but the last toRGB: without it, features below stay the same."""
    generator = tiny()
    ws = generator.map(torch.randn(1, 7))
    changed = ws.clone()
    changed[:, -1] += 1
    seen: list[Tensor] = []
    hook = generator.synthesis.get_submodule("b16.conv1").register_forward_hook(lambda *args: seen.append(args[2]))
    images = generator.synthesis(ws), generator.synthesis(changed)
    hook.remove()
    assert torch.equal(*seen)
    assert not torch.allclose(*images)
