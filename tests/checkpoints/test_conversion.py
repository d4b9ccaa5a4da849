"""What is written for another tool reads back equal to the bit, or is refused; nothing is lost unsaid."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from configs import assert_same, configs, make_generator, tensors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentedit.checkpoints import TARGETS, Checkpoint, convert, guess_target, load_generator_file
from latentedit.errors import InputError
from latentedit.networks import Generator, GeneratorConfig, StyleGAN3Config

ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
FILTERS = st.sampled_from([(1, 3, 3, 1), (1, 2, 1), (1, 4, 6, 4, 1)])
SUFFIXES = {"latentedit": ".safetensors", "nvidia-safetensors": ".safetensors", "nvidia-pt": ".pt"}
BARE = GeneratorConfig(16, (6, 5, 4), z_dim=8, w_dim=8, num_mapping_layers=2)


def check(config: GeneratorConfig) -> Checkpoint:
    return Checkpoint(make_generator(config), "nvidia", "a paper", "CC0 1.0", card={"faces": 3})


@ONE_FILE
@given(config=configs(), taps=FILTERS, target=st.sampled_from(list(SUFFIXES)))
def test_nvidias_names_read_back(config: GeneratorConfig, taps: tuple[float, ...], target: str, tmp_path: Path) -> None:
    checkpoint = check(replace(config, resample_filter=taps))
    notes = convert(checkpoint, tmp_path / f"g{SUFFIXES[target]}", target)
    found = load_generator_file(tmp_path / f"g{SUFFIXES[target]}")
    assert_same(found.generator, checkpoint.generator)
    assert found.fingerprint == checkpoint.fingerprint
    lost = {note.split()[0]: getattr(GeneratorConfig, note.split()[0]) for note in notes}
    assert found.config == replace(config, resample_filter=found.config.resample_filter, **lost)


@ONE_FILE
@given(config=configs(c_dim=0, img_channels=3, layer_features=None), taps=FILTERS)
def test_rosinalitys_names_read_back(config: GeneratorConfig, taps: tuple[float, ...], tmp_path: Path) -> None:
    checkpoint = check(replace(config, z_dim=config.w_dim, resample_filter=taps))
    notes = convert(checkpoint, tmp_path / "g.pt", "rosinality-pt")
    found = load_generator_file(tmp_path / "g.pt")
    assert (found.format, found.notes) == ("rosinality", ())
    for name, tensor in tensors(checkpoint.generator).items():
        if config.img_resolution > 4 or not name.endswith("filter"):  # nothing is filtered at 4 x 4
            assert torch.equal(tensors(found.generator)[name], tensor), name
    for key in ("conv_clamp", "num_fp16_res", "w_avg_beta"):
        is_lost = getattr(found.config, key) != getattr(config, key)
        assert is_lost == any(note.startswith(key) for note in notes)
    assert any("no noise inputs" in note for note in notes) != config.use_noise


def test_every_pair_of_formats(data: Path, tmp_path: Path) -> None:
    """Trips through any two formats end where they began."""
    original = load_generator_file(data / "stylegan2-64.pkl")
    for first in TARGETS:
        convert(original, tmp_path / f"first{TARGETS[first][0][0]}", first)
        between = load_generator_file(tmp_path / f"first{TARGETS[first][0][0]}")
        for second in TARGETS:
            convert(between, tmp_path / f"second{TARGETS[second][0][0]}", second)
            assert_same(load_generator_file(tmp_path / f"second{TARGETS[second][0][0]}").generator, original.generator)


def test_rosinality_file_stays_what_it_was(data: Path, tmp_path: Path) -> None:
    """Names, shapes and values are those that rosinality's own code wrote."""
    convert(load_generator_file(data / "stylegan2-64-rosinality.pt"), tmp_path / "g.pt", "rosinality-pt")
    expected = torch.load(data / "stylegan2-64-rosinality.pt", weights_only=True)
    found = torch.load(tmp_path / "g.pt", weights_only=True)
    assert found.keys() == {"g_ema", "latent_avg"}
    assert torch.equal(found["latent_avg"], expected["latent_avg"])
    assert found["g_ema"].keys() == expected["g_ema"].keys()
    for name, tensor in expected["g_ema"].items():
        assert found["g_ema"][name].shape == tensor.shape, name
        assert torch.equal(found["g_ema"][name], tensor), name


def test_nvidia_file_holds_all_that_its_code_asks_for(data: Path, tmp_path: Path) -> None:
    checkpoint = load_generator_file(data / "stylegan2-64.pkl")
    convert(checkpoint, tmp_path / "g.safetensors", "nvidia-safetensors")
    found = safetensors.torch.load_file(tmp_path / "g.safetensors")
    with np.load(data / "stylegan2-64.npz", allow_pickle=False) as file:
        expected = {name[6:]: torch.from_numpy(file[name]) for name in file.files if name.startswith("param/")}
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_without_noise_the_faces_are_the_same(tmp_path: Path) -> None:
    checkpoint = check(replace(BARE, use_noise=False))
    convert(checkpoint, tmp_path / "g.pt", "rosinality-pt")
    found = load_generator_file(tmp_path / "g.pt")
    z = torch.randn(2, 8)
    assert torch.equal(found.generator(z), checkpoint.generator(z))
    assert found.fingerprint != checkpoint.fingerprint


@pytest.mark.parametrize("target", TARGETS)
def test_half_precision(target: str, tmp_path: Path) -> None:
    checkpoint = check(replace(BARE, resample_filter=(1, 2, 2, 1)))
    path = tmp_path / f"g{TARGETS[target][0][0]}"
    convert(checkpoint, path, target, torch.float16)
    found = load_generator_file(path).generator
    for name, tensor in checkpoint.generator.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor.half().float())
    torch.testing.assert_close(found.synthesis.b8.resample_filter, checkpoint.generator.synthesis.b8.resample_filter)


def test_what_comes_along(tmp_path: Path) -> None:
    convert(check(BARE), tmp_path / "g.safetensors", "latentedit")
    found = load_generator_file(tmp_path / "g.safetensors")
    assert (found.source, found.licence, found.card) == ("a paper", "CC0 1.0", {"faces": 3})


@pytest.mark.parametrize(
    ("change", "target", "message"),
    [
        ({"c_dim": 2, "img_channels": 1}, "rosinality-pt", "cannot hold this generator: it has 2 classes, 1 image"),
        ({"z_dim": 5}, "rosinality-pt", "z_dim 5 beside w_dim 8"),
        ({"layer_features": 3}, "rosinality-pt", "mapping layers of width 3"),
        ({"lr_multiplier": 0.1}, "rosinality-pt", "cannot hold lr_multiplier 0.1"),
        ({"lr_multiplier": 0.1}, "nvidia-pt", "cannot hold lr_multiplier 0.1"),
        ({"lr_multiplier": 0.1}, "nvidia-safetensors", "cannot hold lr_multiplier 0.1"),
        ({}, "latentedit", "ends in .safetensors"),
    ],
)
def test_what_a_format_cannot_hold(change: dict[str, float], target: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / ("g.safetensors" if target == "nvidia-safetensors" else "g.pt")
    with pytest.raises(InputError, match=f"{re.escape(str(path))}: .*{message}"):
        convert(check(replace(BARE, **change)), path, target)
    assert not list(tmp_path.iterdir())


STYLEGAN3 = StyleGAN3Config(16, (5, 4, 3), z_dim=5, w_dim=6)
STYLEGAN3_R = replace(STYLEGAN3, conv_kernel=1, use_radial_filters=True)
BARE_TARGETS = ["nvidia-safetensors", "nvidia-pt"]


def test_stylegan3_has_no_place_in_rosinalitys_format(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^{tmp_path}/g\.pt: the format cannot hold a StyleGAN3 generator"):
        convert(Checkpoint(Generator(STYLEGAN3), "nvidia"), tmp_path / "g.pt", "rosinality-pt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "config",
    [
        STYLEGAN3,
        STYLEGAN3_R,
        replace(STYLEGAN3, c_dim=2, img_channels=1, num_mapping_layers=3, layer_features=7),
        replace(STYLEGAN3_R, c_dim=2, img_channels=4, embed_features=3, img_resolution=64, channels=(4,) * 14),
    ],
    ids=["T", "R", "T, conditional", "R, 64 px"],
)
def test_stylegan3_through_every_pair_of_formats(config: StyleGAN3Config, tmp_path: Path) -> None:
    original = Checkpoint(make_generator(config), "nvidia")
    for first in ["latentedit", *BARE_TARGETS]:
        path = tmp_path / f"first{TARGETS[first][0][0]}"
        convert(original, path, first)
        for second in ["latentedit", *BARE_TARGETS]:
            again = tmp_path / f"second{TARGETS[second][0][0]}"
            assert convert(load_generator_file(path), again, second) == ()
            found = load_generator_file(again)
            assert found.config == config
            assert_same(found.generator, original.generator)


@pytest.mark.parametrize("target", BARE_TARGETS)
def test_nvidias_stylegan3_file_stays_what_it_was(target: str, data: Path, tmp_path: Path) -> None:
    """Names, shapes and values, filters included, are those that NVIDIA's own code wrote."""
    path = tmp_path / f"g{TARGETS[target][0][0]}"
    convert(load_generator_file(data / "stylegan3-t-64.pkl"), path, target)
    found = safetensors.torch.load_file(path) if path.suffix == ".safetensors" else torch.load(path)
    with np.load(data / "stylegan3-t-64.npz", allow_pickle=False) as file:
        expected = {name[6:]: torch.from_numpy(file[name]) for name in file.files if name.startswith("param/")}
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-7 if name.endswith("_filter") else 0)


@pytest.mark.parametrize("key", [None, "G_ema"])
def test_stylegan3_without_its_filters(key: str | None, tmp_path: Path) -> None:
    """The size of the kernels tells R from T."""
    generator = make_generator(STYLEGAN3_R)
    torch.save({key: generator.state_dict()} if key else generator.state_dict(), tmp_path / "g.pt")
    found = load_generator_file(tmp_path / "g.pt")
    assert "bands: those of NVIDIA's published models are assumed" in found.notes[-1]
    assert_same(found.generator, generator)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin_size": 4}, "holds 'synthesis.L"),
        ({"lrelu_upsampling": 4}, "_filter' is not the filter that its settings make"),
        ({"last_stopband_rel": 1.3}, "_filter' is not the filter that its settings make"),
    ],
)
def test_stylegan3_of_other_bands(change: dict[str, float], message: str, tmp_path: Path) -> None:
    generator = Generator(replace(STYLEGAN3, **change))
    torch.save({**generator.state_dict(), **dict(generator.named_buffers())}, tmp_path / "g.pt")
    with pytest.raises(InputError, match=rf"g\.pt: a StyleGAN3 state dict .* published models' bands \(.*{message}"):
        load_generator_file(tmp_path / "g.pt")
    with pytest.raises(InputError, match=f"cannot hold {next(iter(change))}"):
        convert(Checkpoint(generator, "nvidia"), tmp_path / "h.pt", "nvidia-pt")
    assert not (tmp_path / "h.pt").exists()


def test_stylegan3_settings_that_are_lost(tmp_path: Path) -> None:
    checkpoint = Checkpoint(Generator(replace(STYLEGAN3, conv_clamp=None)), "nvidia")
    (note,) = convert(checkpoint, tmp_path / "g.pt", "nvidia-pt")
    assert note.startswith("conv_clamp None is lost")


@pytest.mark.parametrize("target", TARGETS)
def test_a_mistake_names_the_file_once(target: str, tmp_path: Path) -> None:
    path = tmp_path / "none" / f"g{TARGETS[target][0][0]}"
    with pytest.raises(InputError) as caught:
        convert(check(BARE), path, target)
    assert str(caught.value) == f"{path}: No such file or directory"


@pytest.mark.parametrize("target", TARGETS)
def test_half_precision_that_overflows(target: str, tmp_path: Path) -> None:
    checkpoint = check(BARE)
    checkpoint.generator.synthesis.b4.const[0, 0, 0] = -70_000
    with pytest.raises(InputError, match=r"half precision cannot hold synthesis\.b4\.const"):
        convert(checkpoint, tmp_path / f"g{TARGETS[target][0][0]}", target, torch.float16)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", TARGETS)
def test_failed_write_leaves_the_old_file(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"g{TARGETS[target][0][0]}"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(InputError, match="No space left on device"):
        convert(check(BARE), path, target)
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [(path.name, "old")]


def test_the_suffix_tells_the_format() -> None:
    assert guess_target("a/b.safetensors") == "latentedit"
    with pytest.raises(InputError, match=r"b\.pt: \.pt does not tell .* --to nvidia-pt or --to rosinality-pt"):
        guess_target(Path("a/b.pt"))
    with pytest.raises(InputError, match=r"b\.pkl: no format to write ends in '\.pkl'"):
        guess_target("b.pkl")
