"""The project's own files: what is saved comes back, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch

from latentedit.checkpoints import fingerprint, identity, load_generator_file, load_record, save_generator, save_record
from latentedit.errors import InputError
from latentedit.networks import AnyConfig, Generator, GeneratorConfig, StyleGAN3Config

CONFIGS = [
    GeneratorConfig(4, (3,), z_dim=2, w_dim=2, num_mapping_layers=1),
    GeneratorConfig(8, (4, 3), z_dim=5, c_dim=2, w_dim=6, embed_features=3, layer_features=7, num_mapping_layers=3),
    GeneratorConfig(8, (4, 4), z_dim=5, w_dim=6, layer_features=6, resample_filter=(1, 2, 1), use_noise=False),
    GeneratorConfig(16, (6, 5, 4), z_dim=7, w_dim=8, img_channels=1, lr_multiplier=0.1, w_avg_beta=0.9, conv_clamp=2.0),
    StyleGAN3Config(16, (5, 4, 3), z_dim=5, w_dim=6),
    StyleGAN3Config(16, (5, 4, 3), 5, 2, 6, conv_kernel=1, use_radial_filters=True, conv_clamp=None, margin_size=4),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_save_then_load_is_equal(config: AnyConfig, tmp_path: Path) -> None:
    generator = Generator(config)
    save_generator(tmp_path / "g", generator, "trained here", "CC0-1.0", card={"images": 3, "note": "é"})
    loaded = load_generator_file(tmp_path / "g")
    assert (loaded.config, loaded.format, loaded.notes) == (config, "latentedit", ())
    assert (loaded.source, loaded.licence, loaded.card) == ("trained here", "CC0-1.0", {"images": 3, "note": "é"})
    assert loaded.fingerprint == fingerprint(generator)
    for name, tensor in generator.state_dict().items():
        assert torch.equal(loaded.generator.state_dict()[name], tensor)
    filters = dict(generator.named_buffers())  # computed, not loaded, and there all the same
    assert filters.keys() == dict(loaded.generator.named_buffers()).keys()
    for name, buffer in loaded.generator.named_buffers():
        assert torch.equal(buffer, filters[name])


def test_files_from_before_there_was_a_choice_of_architectures(tiny_generator: Generator, tmp_path: Path) -> None:
    save_generator(tmp_path / "g", tiny_generator)
    change_header(tmp_path / "g", lambda header: header["config"].pop("architecture"))
    assert load_generator_file(tmp_path / "g").config == tiny_generator.config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "stylegan2"}, "its config is none"),
        ({"architecture": "stylegan9"}, "its config is none"),
        ({"img_resolution": 32}, "contradicts its tensors"),
        ({"margin_size": 4}, "holds 'synthesis.L0_"),
        ({"filter_size": 10**9}, "filter_size 1000000000 is not within 1 and 32"),
        ({"filter_size": 2.5}, "cannot be built"),
        ({"lrelu_upsampling": "2"}, "its config is none"),
        ({"first_stopband": 1e-9}, "first_stopband 1e-09 is not within 1 and 65536"),
        ({"first_stopband": 1.5, "first_cutoff": 8}, "stopband lies below its cutoff"),
        ({"last_stopband_rel": float("nan")}, "last_stopband_rel nan is not within 1 and 1024"),
        ({"channels": [3] * 100_000}, "num_layers 100000 is not within 1 and 64"),
        ({"channels": []}, "num_layers 0 is not within 1 and 64"),
        ({"num_critical": 3}, "num_critical 3 is not within 0 and 2"),
    ],
)
def test_stylegan3_header_that_lies(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    save_generator(tmp_path / "g", Generator(StyleGAN3Config(16, (5, 4, 3), z_dim=5, w_dim=6)))
    change_header(tmp_path / "g", lambda header: header["config"].update(change))
    with pytest.raises(InputError, match=message):
        load_generator_file(tmp_path / "g")


def test_a_stylegan2_header_on_stylegan3_weights(tiny_generator: Generator, tmp_path: Path) -> None:
    save_generator(tmp_path / "g", Generator(StyleGAN3Config(16, (5, 4, 3), z_dim=5, w_dim=6)))
    change_header(tmp_path / "g", lambda header: header.update(config=tiny_generator.config.to_dict()))
    with pytest.raises(InputError, match="contradicts its tensors"):
        load_generator_file(tmp_path / "g")


def test_half_precision_file(tiny_generator: Generator, tmp_path: Path) -> None:
    save_generator(tmp_path / "full", tiny_generator)
    save_generator(tmp_path / "half", tiny_generator, dtype=torch.float16)
    loaded = load_generator_file(tmp_path / "half")
    assert (tmp_path / "half").stat().st_size < 0.8 * (tmp_path / "full").stat().st_size
    assert loaded.fingerprint == fingerprint(loaded.generator) != fingerprint(tiny_generator)
    for name, tensor in tiny_generator.state_dict().items():
        assert torch.equal(loaded.generator.state_dict()[name], tensor.half().float())


def test_saving_what_was_loaded_changes_nothing(data: Path, tmp_path: Path) -> None:
    checkpoint = load_generator_file(data / "stylegan2-32-conditional.pkl")
    save_generator(tmp_path / "g", checkpoint.generator)
    saved = load_generator_file(tmp_path / "g")
    assert (saved.config, saved.fingerprint) == (checkpoint.config, checkpoint.fingerprint)


def change_header(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    tensors, header = load_record(path)
    change(header)
    save_record(path, {name: tensor.clone() for name, tensor in tensors.items()}, header)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header.update(kind="direction"), "holds a 'direction', not a generator"),
        (lambda header: header.pop("config"), "its config is none"),
        (lambda header: header["config"].update(depth=3), "its config is none"),
        (lambda header: header["config"].update({"\x1b[31m": 3}), "its config is none"),
        (lambda header: header["config"].update(channels=[10**9, 5, 4]), "contradicts its tensors"),
        (lambda header: header["config"].update(num_mapping_layers=10**12), "contradicts its tensors"),
        (lambda header: header["config"].update(layer_features=10**12), "the other tensors ask for|cannot be built"),
        (lambda header: header["config"].update(lr_multiplier="fast"), "its config is none"),
        (lambda header: header["config"].update(conv_clamp=-1), "must be positive"),
        (lambda header: header["config"].update(resample_filter=[]), "1 to 64 finite taps"),
        (lambda header: header["config"].update(resample_filter=[1] * 6000), "1 to 64 finite taps"),
    ],
)
def test_header_that_lies(
    change: Callable[[dict[str, Any]], object], message: str, tiny_generator: Generator, tmp_path: Path
) -> None:
    save_generator(tmp_path / "g", tiny_generator)
    change_header(tmp_path / "g", change)
    with pytest.raises(InputError, match=message) as caught:
        load_generator_file(tmp_path / "g")
    assert str(caught.value).isprintable()


def test_changed_weight_is_noticed(tiny_generator: Generator, tmp_path: Path) -> None:
    save_generator(tmp_path / "g", tiny_generator)
    tensors, header = load_record(tmp_path / "g")
    changed = {name: tensor.clone() for name, tensor in tensors.items()}
    changed["synthesis.b4.const"][0, 0, 0] += 1
    save_record(tmp_path / "g", changed, header)
    checkpoint = load_generator_file(tmp_path / "g")
    with pytest.raises(InputError, match=rf"^{tmp_path / 'g'}: the weights are not those it was saved with .* again"):
        _ = checkpoint.fingerprint


def test_file_that_is_replaced_while_in_use(tiny_generator: Generator, tmp_path: Path) -> None:
    """The weights may lie in the file itself; whoever writes another in its place does not change them."""
    save_generator(tmp_path / "g", tiny_generator)
    checkpoint = load_generator_file(tmp_path / "g")
    save_generator(tmp_path / "g", Generator(tiny_generator.config))
    assert checkpoint.fingerprint == fingerprint(tiny_generator)


def test_what_is_opened_can_be_changed(tiny_generator: Generator, tmp_path: Path) -> None:
    """Changes to an open generator stay in memory, each tensor's its own."""
    save_generator(tmp_path / "g", tiny_generator)
    content = (tmp_path / "g").read_bytes()
    generator = load_generator_file(tmp_path / "g").generator
    for parameter in generator.parameters():
        parameter.fill_(1)
    assert (tmp_path / "g").read_bytes() == content
    assert torch.equal(generator.mapping.w_avg, tiny_generator.mapping.w_avg)


def test_opening_does_not_disturb_the_seed(tiny_generator: Generator, tmp_path: Path) -> None:
    save_generator(tmp_path / "g", tiny_generator)
    before = torch.get_rng_state()
    load_generator_file(tmp_path / "g")
    assert torch.equal(torch.get_rng_state(), before)


def test_fingerprint_counts_what_is_learned(tiny_generator: Generator) -> None:
    state = tiny_generator.state_dict()
    same = {
        **dict(reversed(state.items())),
        "mapping.w_avg": torch.zeros(8),
        "synthesis.b4.resample_filter": torch.ones(4),
    }
    assert fingerprint(same) == fingerprint(tiny_generator)
    for name, tensor in tiny_generator.named_parameters():
        assert fingerprint({**state, name: tensor + 1}) != fingerprint(tiny_generator)
        assert fingerprint({**state, name: tensor[None]}) != fingerprint(tiny_generator)


def test_a_generator_is_hashed_once_and_again_after_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Generator(CONFIGS[0])
    first, hashes, plain = fingerprint(generator), [], identity._hash
    monkeypatch.setattr(identity, "_hash", lambda state: hashes.append(1) or plain(state))
    assert fingerprint(generator) == first
    assert not hashes
    with torch.no_grad():
        generator.mapping.fc0.bias += 1
    second = fingerprint(generator)
    assert first != second == fingerprint(generator.state_dict())
    generator.mapping.fc0.bias = torch.nn.Parameter(generator.mapping.fc0.bias.detach() + 1)
    assert fingerprint(generator) == fingerprint(generator.state_dict()) != second


def test_fingerprint_of_a_stylegan3() -> None:
    """Its random frequencies are part of it; its filters, which its config makes, and its pose are not."""
    generator = Generator(StyleGAN3Config(16, (5, 4, 3), z_dim=5, w_dim=6))
    state = generator.state_dict()
    assert fingerprint({**state, "synthesis.input.transform": torch.zeros(3, 3)}) == fingerprint(generator)
    assert fingerprint({**state, "synthesis.L0_36_5.up_filter": torch.ones(12)}) == fingerprint(generator)
    for name in ["input.freqs", "input.phases", f"{generator.config.layer_names[0]}.magnitude_ema"]:
        assert fingerprint({**state, f"synthesis.{name}": state[f"synthesis.{name}"] + 1}) != fingerprint(generator)


def test_fingerprint_stays_what_it_was() -> None:
    """The rule is written into directions on disk: this value must never change."""
    state = {"b": torch.tensor([1.0, -2.0]), "a": torch.zeros(1, 2)}
    assert (
        fingerprint(state) == hashlib.sha256(b"a [1, 2]\n" + bytes(8) + b"b [2]\n" + b"\0\0\x80?\0\0\0\xc0").hexdigest()
    )


def test_record_round_trip(tmp_path: Path) -> None:
    tensors = {"vector": torch.randn(3, 4), "half": torch.ones(2).half(), "count": torch.tensor(7)}
    save_record(tmp_path / "r", {**tensors, "turned": tensors["vector"].T}, {"kind": "direction", "layers": [1, 2]})
    loaded, header = load_record(str(tmp_path / "r"))
    assert header == {"kind": "direction", "layers": [1, 2]}
    assert loaded.keys() == {*tensors, "turned"}
    assert torch.equal(loaded["turned"], tensors["vector"].T)
    assert all(
        torch.equal(loaded[name], tensor) and loaded[name].dtype == tensor.dtype for name, tensor in tensors.items()
    )


def test_record_of_the_future(tmp_path: Path) -> None:
    metadata = {"latentedit": json.dumps({"record_version": 2, "kind": "generator"})}
    safetensors.torch.save_file({"x": torch.zeros(1)}, tmp_path / "r", metadata)
    with pytest.raises(InputError, match=r"r: record version 2.*update latentedit"):
        load_record(tmp_path / "r")


@pytest.mark.parametrize("header", [None, {"latentedit": "{"}, {"latentedit": "[]"}, {"latentedit": "{}"}])
def test_foreign_safetensors(header: dict[str, str] | None, tmp_path: Path) -> None:
    safetensors.torch.save_file({"x": torch.zeros(1)}, tmp_path / "r", header)
    with pytest.raises(InputError, match=r"r: .*latentedit did not write it"):
        load_record(tmp_path / "r")


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk."""
    save_record(tmp_path / "r", {"x": torch.zeros(1)}, {})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(InputError, match="r: File too large"):
            save_record(tmp_path / "r", {"x": torch.zeros(10_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["r"]
    assert load_record(tmp_path / "r")[0]["x"].shape == (1,)


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory"):
        save_record(tmp_path / "none" / "r", {"x": torch.zeros(1)}, {})


def test_config_is_plain_json(tiny_generator: Generator, tmp_path: Path) -> None:
    """Any safetensors reader can tell what the file is."""
    save_generator(tmp_path / "g", tiny_generator)
    with safetensors.safe_open(tmp_path / "g", framework="pt") as file:
        header = json.loads(file.metadata()["latentedit"])
    assert header["record_version"] == 1
    assert header["config"] == json.loads(json.dumps(tiny_generator.config.to_dict()))
    assert replace(tiny_generator.config) == GeneratorConfig.from_dict(header["config"])
