"""rosinality's files: names, the missing mean, and training checkpoints."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from latentedit.checkpoints import load_generator_file
from latentedit.errors import InputError

Content = dict[str, Any]


@pytest.fixture
def content(data: Path) -> Content:
    return dict(torch.load(data / "stylegan2-64-rosinality.pt", weights_only=True))


def test_same_weights_and_noise_as_nvidia(data: Path) -> None:
    nvidia = load_generator_file(data / "stylegan2-64.pkl").generator.state_dict()
    rosinality = load_generator_file(data / "stylegan2-64-rosinality.pt")
    assert rosinality.notes == ()
    for name, tensor in rosinality.generator.state_dict().items():
        assert torch.equal(tensor, nvidia[name])


def test_training_checkpoint(data: Path) -> None:
    checkpoint = load_generator_file(data / "stylegan2-64-rosinality-training.pt")
    assert checkpoint.notes == ("no mean of w in the file: w_avg is the mean of 16384 seeded samples",)
    generator = checkpoint.generator
    w = generator.mapping(torch.randn(20_000, 64, generator=torch.Generator().manual_seed(5)))
    error = (w.mean(dim=0) - generator.mapping.w_avg).norm() / w.std(dim=0).norm()
    assert error < 0.02
    again = load_generator_file(data / "stylegan2-64-rosinality-training.pt").generator
    assert torch.equal(generator.mapping.w_avg, again.mapping.w_avg)


@pytest.mark.parametrize("zipped", [True, False])
def test_both_layouts_of_torch_save(content: Content, zipped: bool, data: Path, tmp_path: Path) -> None:
    content["args"] = argparse.Namespace(size=64)
    torch.save(content, tmp_path / "a.pkl", _use_new_zipfile_serialization=zipped)
    expected = load_generator_file(data / "stylegan2-64-rosinality.pt").fingerprint
    assert load_generator_file(tmp_path / "a.pkl").fingerprint == expected


def test_namespace_is_allowed_only_inside(data: Path) -> None:
    load_generator_file(data / "stylegan2-64-rosinality-training.pt")
    assert argparse.Namespace not in torch.serialization.get_safe_globals()


def test_without_average(content: Content, tmp_path: Path) -> None:
    content["g"] = content.pop("g_ema")
    torch.save(content, tmp_path / "g.pt")
    assert load_generator_file(tmp_path / "g.pt").notes == ("no g_ema in the file: g is used",)


def test_other_filter(content: Content, tmp_path: Path) -> None:
    row = torch.tensor([1.0, 4, 6, 4, 1])
    for name in content["g_ema"]:
        if name.endswith("kernel"):
            content["g_ema"][name] = torch.outer(row, row) / 64  # the gain of 4 is inside
    torch.save(content, tmp_path / "g.pt")
    assert load_generator_file(tmp_path / "g.pt").config.resample_filter == tuple((row / 16).tolist())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["g_ema"].pop("noises.noise_3"), "lacks 'synthesis.b16.conv0.noise_const'"),
        (lambda content: content["g_ema"].pop("to_rgb1.bias"), "lacks 'synthesis.b4.torgb.bias'"),
        (lambda content: content["g_ema"].pop("style.8.bias"), "lacks 'mapping.fc7.bias'"),
        (lambda content: content["g_ema"].update({"convs.0.conv.extra": torch.ones(1)}), "holds 'convs.0.conv.extra'"),
        (lambda content: content["g_ema"].update({"convs.99.noise.weight": torch.ones(1)}), "holds 'synthesis.b"),
        (lambda content: content["g_ema"].update({"convs.0.conv.blur.kernel": torch.ones(4, 4)}), "resample_filter"),
        (lambda content: content["g_ema"].update({"convs.2.conv.blur.kernel": torch.ones(2, 2)}), "filters differ"),
        (lambda content: content["g_ema"].update({"x": 3}), "x is not stored as plain"),
        (lambda content: content.update(g_ema=torch.ones(1)), "no dictionary of tensors"),
        (lambda content: content.update(latent_avg=torch.ones(7)), r"mapping.w_avg is \[7\]"),
        (lambda content: content.pop("g_ema"), "no g_ema or g"),
    ],
)
def test_damage_is_named(content: Content, change: Callable[[Content], object], message: str, tmp_path: Path) -> None:
    change(content)
    torch.save(content, tmp_path / "g.pt")
    with pytest.raises(InputError, match=rf"g\.pt: .*{message}"):
        load_generator_file(tmp_path / "g.pt")
