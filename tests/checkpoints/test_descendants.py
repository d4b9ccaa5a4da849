"""The files of the tools that build on StyleGAN2: PTI, pSp, e4e, ReStyle, HyperStyle, JoJoGAN, StyleGAN-NADA."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from configs import assert_same, configs, make_generator
from hypothesis import HealthCheck, given, settings
from nvidia_pickle import EasyDict, persist, write_archive, write_pickle

from latentedit.checkpoints import load_generator_file
from latentedit.checkpoints.state_dicts import ASSUMED
from latentedit.errors import InputError
from latentedit.networks import Generator, GeneratorConfig

Content = dict[str, Any]
ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
NO_MEAN = "no mean of w in the file: w_avg is the mean of 16384 seeded samples"
NO_NOISE = "no noise maps in the file: they are zero, as with noise mode none"
SETTINGS = {"conv_clamp": 256.0, "w_avg_beta": 0.995, "lr_multiplier": 0.1}


def describe(config: GeneratorConfig) -> dict[str, dict[str, Any]]:
    """Say in NVIDIA's keyword arguments what no shape tells."""
    mapping = EasyDict(lr_multiplier=config.lr_multiplier, w_avg_beta=np.float64(config.w_avg_beta))
    synthesis = EasyDict(conv_clamp=config.conv_clamp, num_fp16_res=config.num_fp16_res)
    return {"": {"_init_kwargs": EasyDict(mapping_kwargs=mapping, synthesis_kwargs=synthesis), "hooks": {1, 2}}}


@ONE_FILE
@given(configs())
def test_every_config_in_nvidias_files(tmp_path: Path, config: GeneratorConfig) -> None:
    generator = make_generator(config)
    network = persist(generator, describe(config))
    paths = {
        "nvidia": write_pickle(tmp_path / "network.pkl", {"G_ema": network}),
        "pti": write_archive(tmp_path / "zip.pt", network),
    }
    for format, path in paths.items():
        checkpoint = load_generator_file(path)
        assert_same(checkpoint.generator, generator)
        assert (checkpoint.config, checkpoint.format, checkpoint.notes) == (config, format, ())


@pytest.fixture(scope="module")
def generator() -> Generator:
    return make_generator(GeneratorConfig(16, (6, 5, 4), z_dim=7, c_dim=2, w_dim=8, num_mapping_layers=2, **SETTINGS))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("key", [None, "G", "G_ema"])
def test_modules_in_both_layouts(tmp_path: Path, generator: Generator, zipped: bool, key: str | None) -> None:
    network = persist(generator, describe(generator.config))
    checkpoint = load_generator_file(write_archive(tmp_path / "g.pt", {key: network} if key else network, zipped))
    assert_same(checkpoint.generator, generator)
    assert checkpoint.config == generator.config
    assert checkpoint.format == ("nvidia" if key else "pti")
    assert checkpoint.notes == (("no G_ema in the file: G is used",) if key == "G" else ())


def test_a_module_pickled_alone(tmp_path: Path, generator: Generator) -> None:
    assert load_generator_file(write_pickle(tmp_path / "g.pkl", persist(generator, {}))).format == "pti"


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("with_filters", [True, False])
def test_plain_state_dict(tmp_path: Path, generator: Generator, suffix: str, with_filters: bool) -> None:
    state = generator.state_dict()
    if with_filters:
        state |= {name: x for name, x in generator.named_buffers() if name.endswith("filter")}
    path = tmp_path / f"g{suffix}"
    torch.save(state, path) if suffix == ".pt" else safetensors.torch.save_file(state, path)
    checkpoint = load_generator_file(path)
    assert_same(checkpoint.generator, generator)
    assert (checkpoint.format, checkpoint.notes) == ("nvidia-state-dict", (ASSUMED,))
    assert checkpoint.config == replace(generator.config, conv_clamp=None, lr_multiplier=0.01, w_avg_beta=0.998)


def test_state_dict_under_a_name(tmp_path: Path, generator: Generator) -> None:
    torch.save({"G": generator.state_dict(), "step": 3}, tmp_path / "g.pt")
    checkpoint = load_generator_file(tmp_path / "g.pt")
    assert checkpoint.notes == ("no G_ema in the file: G is used", ASSUMED)


def test_state_dict_without_buffers(tmp_path: Path, generator: Generator) -> None:
    torch.save(dict(generator.named_parameters()), tmp_path / "g.pt")
    checkpoint = load_generator_file(tmp_path / "g.pt")
    assert checkpoint.notes == (ASSUMED, NO_NOISE, NO_MEAN)
    assert not checkpoint.generator.state_dict()["synthesis.b16.conv1.noise_const"].any()
    mapping = checkpoint.generator.mapping
    classes = torch.eye(2).repeat_interleave(20_000, 0)
    w = mapping(torch.randn(40_000, 7, generator=torch.Generator().manual_seed(3)), classes)
    assert (w.mean(dim=0) - mapping.w_avg).norm() / w.std(dim=0).norm() < 0.03


@pytest.fixture
def content(data: Path) -> Content:
    return dict(torch.load(data / "stylegan2-64-rosinality.pt", weights_only=True))


@pytest.fixture
def expected(data: Path) -> Generator:
    return load_generator_file(data / "stylegan2-64-rosinality.pt").generator


def encode(content: Content, opts: object, other: str = "encoder.body.0.weight", **more: Any) -> Content:
    """Put a generator into an encoder's file."""
    decoder = {f"decoder.{name}": x for name, x in content["g_ema"].items()}
    return {"state_dict": {other: torch.ones(3), **decoder}, "latent_avg": content["latent_avg"], "opts": opts, **more}


E4E = {"encoder_type": "Encoder4Editing", "device": "cuda:0", "start_from_latent_avg": True}
RESTYLE = {"encoder_type": "BackboneEncoder", "n_iters_per_batch": 5}


@pytest.mark.parametrize("namespace", [True, False])
@pytest.mark.parametrize(
    ("tool", "opts", "other"),
    [
        ("e4e", E4E, "encoder.body.0.weight"),
        ("psp", {"encoder_type": "GradualStyleEncoder", "output_size": 1024}, "encoder.body.0.weight"),
        ("restyle", RESTYLE, "encoder.body.0.weight"),
        ("hyperstyle", RESTYLE, "hypernet.body.0.weight"),
    ],
)
def test_encoders(
    content: Content, expected: Generator, tool: str, opts: Content, other: str, namespace: bool, tmp_path: Path
) -> None:
    file = encode(content, argparse.Namespace(**opts) if namespace else opts, other, global_step=np.float64(3))
    torch.save(file, tmp_path / "e.pt")
    checkpoint = load_generator_file(tmp_path / "e.pt")
    assert checkpoint.format == tool
    assert checkpoint.notes == ("the generator is the decoder of an encoder's file: 1 other tensors are left out",)
    assert_same(checkpoint.generator, expected)


def test_latent_avg_of_every_layer(content: Content, expected: Generator, tmp_path: Path) -> None:
    content["latent_avg"] = content["latent_avg"].repeat(10, 1)
    torch.save(encode(content, {}), tmp_path / "e.pt")
    checkpoint = load_generator_file(tmp_path / "e.pt")
    assert_same(checkpoint.generator, expected)
    assert len(checkpoint.notes) == 1


def test_latent_avg_whose_layers_differ(content: Content, tmp_path: Path) -> None:
    rows = torch.randn(10, 64)
    torch.save(encode({**content, "latent_avg": rows}, {}), tmp_path / "e.pt")
    checkpoint = load_generator_file(tmp_path / "e.pt")
    assert checkpoint.notes[1:] == ("the 10 rows of latent_avg differ: w_avg is their mean",)
    assert torch.equal(checkpoint.generator.mapping.w_avg, rows.mean(dim=0))


@pytest.mark.parametrize(
    ("change", "format", "notes"),
    [
        (lambda c: {"g": c["g_ema"]}, "jojogan", ("no g_ema in the file: g is used", NO_MEAN)),
        (lambda c: {"g_ema": c["g_ema"], "g_optim": {"state": {}}}, "stylegan-nada", (NO_MEAN,)),
        (lambda c: {"g_ema": c["g_ema"]}, "rosinality", (NO_MEAN,)),
        (lambda c: c["g_ema"], "rosinality", (NO_MEAN,)),
    ],
)
def test_fine_tuned_generators(
    content: Content, expected: Generator, change: Any, format: str, notes: tuple[str, ...], tmp_path: Path
) -> None:
    torch.save(change(content), tmp_path / "g.pt")
    checkpoint = load_generator_file(tmp_path / "g.pt")
    assert (checkpoint.format, checkpoint.notes) == (format, notes)
    assert torch.equal(checkpoint.generator.synthesis(torch.ones(1, 10, 64)), expected.synthesis(torch.ones(1, 10, 64)))


def test_file_without_noise(content: Content, expected: Generator, tmp_path: Path) -> None:
    content["g_ema"] = {name: x for name, x in content["g_ema"].items() if not name.startswith("noises")}
    torch.save(content, tmp_path / "g.pt")
    checkpoint = load_generator_file(tmp_path / "g.pt")
    assert checkpoint.notes == (NO_NOISE,)
    z = torch.randn(1, 64)
    assert torch.equal(checkpoint.generator(z, noise_mode="const"), expected(z, noise_mode="none"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: {"state_dict": {"encoder.x": torch.ones(1)}}, "without decoder"),
        (lambda c: {"state_dict": [1]}, "its state_dict is none"),
        (lambda c: {"state_dict": {3: torch.ones(1)}}, "its state_dict is none"),
        (lambda c: encode({**c, "latent_avg": torch.ones(10, 7)}, {}), r"mapping.w_avg is \[7\]"),
        (lambda c: encode({**c, "latent_avg": torch.ones(0, 64)}, {}), "latent_avg is empty"),
        (lambda c: encode({**c, "latent_avg": torch.ones(64).int()}, {}), "latent_avg is not stored as plain"),
        (lambda c: {"GAN": {"S.net.0.weight": torch.ones(1)}, "version": "1.8.9"}, "lucidrains.*another architecture"),
        (
            lambda c: {"g": {n: x for n, x in c["g_ema"].items() if not n.endswith("conv.weight")}},
            "lacks .*conv1.weight",
        ),
        (lambda c: {"G": torch.ones(1)}, "no dictionary of tensors"),
        (lambda c: {"G_ema": None}, "holds no G_ema and no G"),
        (lambda c: {"model": c["g_ema"]}, "holds no G_ema or G"),
        (lambda c: [c], "holds no networks by name"),
    ],
)
def test_what_is_refused(content: Content, change: Any, message: str, tmp_path: Path) -> None:
    torch.save(change(content), tmp_path / "g.pt")
    with pytest.raises(InputError, match=rf"g\.pt: .*{message}") as caught:
        load_generator_file(tmp_path / "g.pt")
    assert str(caught.value).isprintable()
