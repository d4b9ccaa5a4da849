"""Every checkpoint format against the values that NVIDIA's own code computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from latentedit.checkpoints import Checkpoint, fingerprint, load_generator_file

FILES = {
    "stylegan2-64.pkl": "stylegan2-64.npz",
    "stylegan2-64-rosinality.pt": "stylegan2-64.npz",
    "stylegan2-32-conditional.pkl": "stylegan2-32-conditional.npz",
    "stylegan3-t-64.pkl": "stylegan3-t-64.npz",
}


@pytest.fixture(scope="module", params=FILES)
def case(request: pytest.FixtureRequest, data: Path) -> tuple[Checkpoint, dict[str, Tensor]]:
    with np.load(data / FILES[request.param], allow_pickle=False) as file:
        values = {name: torch.from_numpy(file[name]).float() for name in file.files if name != "config"}
    return load_generator_file(data / request.param), values


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).norm() / expected.norm())


@pytest.mark.parametrize(
    ("expected", "truncation"), [("ws", (1.0, None)), ("ws_psi07", (0.7, None)), ("ws_psi05_cutoff4", (0.5, 4))]
)
def test_ws(case: tuple[Checkpoint, dict[str, Tensor]], expected: str, truncation: tuple[float, int | None]) -> None:
    checkpoint, values = case
    ws = checkpoint.generator.map(values["z"], values.get("c"), *truncation)
    assert relative_error(ws, values[expected]) < 1e-5


@pytest.mark.parametrize(
    ("expected", "latents", "noise_mode"),
    [
        ("image", "ws", "const"),
        ("image_psi07", "ws_psi07", "const"),
        ("image_wplus", "wplus", "const"),
        ("image_nonoise", "ws_psi07", "none"),
    ],
)
def test_images(case: tuple[Checkpoint, dict[str, Tensor]], expected: str, latents: str, noise_mode: str) -> None:
    checkpoint, values = case
    if expected not in values:
        assert checkpoint.config.architecture == "stylegan3"  # which has no noise to leave out
        return
    images = checkpoint.generator.synthesis(values[latents], noise_mode)
    assert relative_error(images, values[expected]) < 1e-5


def test_seeds_to_images(case: tuple[Checkpoint, dict[str, Tensor]]) -> None:
    checkpoint, values = case
    images = checkpoint.generator(values["z"], values.get("c"), truncation_psi=0.7)
    assert relative_error(images, values["image_psi07"]) < 1e-5


def test_all_formats_have_one_fingerprint(data: Path) -> None:
    names = ["stylegan2-64.pkl", "stylegan2-64-rosinality.pt", "stylegan2-64-rosinality-training.pt"]
    found = {load_generator_file(data / name).fingerprint for name in names}
    with np.load(data / "stylegan2-64.npz", allow_pickle=False) as file:
        state = {name[6:]: torch.from_numpy(file[name]) for name in file.files if name.startswith("param/")}
    assert found == {fingerprint(state)}


def test_generator_is_fit_for_use(data: Path) -> None:
    checkpoint = load_generator_file(data / "stylegan2-64.pkl")
    assert checkpoint.format == "nvidia"
    assert checkpoint.notes == ()
    assert not any(module.training for module in checkpoint.generator.modules())
    assert not any(parameter.requires_grad for parameter in checkpoint.generator.parameters())


def test_settings_no_shape_tells_are_read(data: Path) -> None:
    assert load_generator_file(data / "stylegan2-64.pkl").config.conv_clamp == 256
    assert load_generator_file(data / "stylegan2-32-conditional.pkl").config.conv_clamp is None
