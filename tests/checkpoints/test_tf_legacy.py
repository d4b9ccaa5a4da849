"""TensorFlow's pickles, written from known weights and read back without TensorFlow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from configs import assert_same, configs, make_generator
from hypothesis import HealthCheck, given, settings
from nvidia_pickle import Reduced
from tensorflow_pickle import Network, make_network, write_pickle, write_tensorflow

from latentedit.checkpoints import load_generator_file, tf_legacy
from latentedit.errors import InputError
from latentedit.networks import Generator, GeneratorConfig

ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@ONE_FILE
@given(configs())
def test_every_config_reads_back(tmp_path: Path, config: GeneratorConfig) -> None:
    generator = make_generator(config)
    checkpoint = load_generator_file(write_tensorflow(tmp_path / "network.pkl", generator))
    assert_same(checkpoint.generator, generator)
    assert (checkpoint.config, checkpoint.format, checkpoint.notes) == (config, "nvidia-tensorflow", ())


@pytest.fixture(scope="module")
def generator() -> Generator:
    return make_generator(GeneratorConfig(16, (6, 5, 4), z_dim=7, c_dim=2, w_dim=8, num_mapping_layers=2))


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_versions(tmp_path: Path, generator: Generator, version: int, protocol: int) -> None:
    path = write_tensorflow(tmp_path / "network.pkl", generator, version, protocol)
    assert_same(load_generator_file(path).generator, generator)


@pytest.mark.parametrize("protocol", [2, 3])
def test_arrays_that_are_turned_where_they_lie(tmp_path: Path, protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentedit.checkpoints.stored.LARGE", 1)
    generator = make_generator(GeneratorConfig(8, (40, 21), z_dim=24, w_dim=40, num_mapping_layers=2))
    path = write_tensorflow(tmp_path / "network.pkl", generator, protocol=protocol)
    checkpoint = load_generator_file(path)
    path.write_bytes(b"")
    assert_same(checkpoint.generator, generator)


def test_numpy_as_it_was_called_then(tmp_path: Path, generator: Generator) -> None:
    path = write_tensorflow(tmp_path / "network.pkl", generator, protocol=2)
    content = path.read_bytes()
    assert content.count(b"cnumpy._core.multiarray\n")
    path.write_bytes(content.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    assert_same(load_generator_file(path).generator, generator)


def test_a_network_alone(tmp_path: Path, generator: Generator) -> None:
    path = write_pickle(tmp_path / "network.pkl", make_network(generator))
    assert_same(load_generator_file(path).generator, generator)


def test_references(data: Path, tmp_path: Path) -> None:
    """The reference weights through TensorFlow's layout, with styles' biases rounded so that they stand the trip."""
    expected = load_generator_file(data / "stylegan2-64.pkl").generator
    for name, tensor in expected.state_dict().items():
        if name.endswith("affine.bias"):
            tensor.copy_((tensor * 1024).round() / 1024)
    found = load_generator_file(write_tensorflow(tmp_path / "network.pkl", expected)).generator
    assert_same(found, expected)
    z = torch.randn(2, 64)
    assert torch.equal(found(z, truncation_psi=0.7), expected(z, truncation_psi=0.7))


def test_arrays_in_fortrans_order(tmp_path: Path, generator: Generator) -> None:
    network = make_network(generator)
    for part in (network, *network.state["components"].values()):
        part.state["variables"] = [(name, np.asfortranarray(x)) for name, x in part.state["variables"] if x.ndim] + [
            (name, x) for name, x in part.state["variables"] if not x.ndim
        ]
    assert_same(load_generator_file(write_pickle(tmp_path / "network.pkl", network)).generator, generator)


def test_kernels_that_share_a_buffer(tmp_path: Path) -> None:
    """One of a single input lies in its file as it does here, and must be copied all the same."""
    generator = make_generator(GeneratorConfig(8, (40, 40), z_dim=4, c_dim=1, w_dim=1100, num_mapping_layers=1))
    write_tensorflow(tmp_path / "g.pkl", generator)
    assert_same(load_generator_file(tmp_path / "g.pkl").generator, generator)


def test_settings_that_no_shape_tells(tmp_path: Path, generator: Generator) -> None:
    network = make_network(generator)
    said = {"mapping_lrmul": 0.1, "dlatent_avg_beta": None, "conv_clamp": np.float64(8), "resample_kernel": [1, 2, 1]}
    network.state["static_kwargs"].update(said)
    network.state["components"]["mapping"].state["static_kwargs"]["mapping_lrmul"] = 0.5  # overruled
    config = load_generator_file(write_pickle(tmp_path / "network.pkl", network)).config
    assert (config.lr_multiplier, config.w_avg_beta, config.conv_clamp) == (0.1, 0.995, 8)
    assert config.resample_filter == (1, 2, 1)


def test_noise_maps_that_no_layer_uses(tmp_path: Path) -> None:
    """TensorFlow makes the maps with use_noise off, too."""
    generator = make_generator(GeneratorConfig(4, (3,), z_dim=2, w_dim=2, use_noise=False, w_avg_beta=0.995))
    network = make_network(generator)
    network.state["variables"].append(("synthesis/noise0", np.ones((1, 1, 4, 4), np.float32)))
    checkpoint = load_generator_file(write_pickle(tmp_path / "network.pkl", network))
    assert checkpoint.config == generator.config
    assert_same(checkpoint.generator, generator)


NO_ARRAY = Reduced(np.dtype, "f4", False, True)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"latent_size": 512}, "z_dim 512.* 7"),
        ({"resolution": 1024}, "img_resolution 1024.* 16"),
        ({"label_size": 0}, "c_dim 0.* 2"),
        ({"mapping_layers": 8}, "num_layers 8.* 2"),
        ({"architecture": "resnet"}, "architecture 'resnet'"),
        ({"architecture": "orig"}, "architecture 'orig'"),
        ({"nonlinearity": "relu"}, "activation 'relu'"),
        ({"mapping_nonlinearity": "elu"}, "activation 'elu'"),
        ({"normalize_latents": False}, "does not normalize z"),
        ({"resample_kernel": [1] * 65}, "65 taps"),
        ({"resample_kernel": []}, "0 taps"),
        ({"resample_kernel": [1, -1]}, "makes no filter"),
        ({"conv_clamp": "x"}, "conv_clamp .* makes no sense"),
        ({"resolution": NO_ARRAY}, "img_resolution .* makes no sense"),
    ],
)
def test_settings_that_are_refused(tmp_path: Path, generator: Generator, said: dict[str, Any], message: str) -> None:
    network = make_network(generator)
    network.state["static_kwargs"].update(said)
    refuse(tmp_path, network, message)


def refuse(folder: Path, content: object, message: str) -> None:
    """Check that the content is refused in a line that says `message`."""
    with pytest.raises(InputError, match=rf"network\.pkl: .*{message}") as caught:
        load_generator_file(write_pickle(folder / "network.pkl", content))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("synthesis/4x4/Const/StyleMod/weight", "StyleGAN1 generator .or StyleGAN2 config A.: not supported"),
        ("synthesis/ToRGB_lod0/weight", "config B, C or D"),
        ("synthesis/8x8/Skip/weight", "architecture 'resnet'"),
        ("mapping/LabelConcat/weight", "holds 'mapping/LabelConcat/weight'"),
        ("synthesis/8x8/Conv7/weight", "holds 'synthesis/8x8/Conv7/weight'"),
        ("synthesis/8x8/Conv1/extra", "holds 'synthesis/8x8/Conv1/extra'"),
        ("synthesis/64x64/Conv1/weight", r"'synthesis/64x64/Conv1/weight' is \[2\].*axes"),
        ("synthesis/noise9", r"'synthesis/noise9' is \[2\].*axes"),
        ("dlatent_avg", r"mapping.w_avg is \[2\]"),
    ],
)
def test_variables_that_are_refused(tmp_path: Path, generator: Generator, variable: str, message: str) -> None:
    network = make_network(generator)
    network.state["variables"].append((variable, np.zeros(2, np.float32)))
    refuse(tmp_path, network, message)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"version": 5}, "version 5: not supported"),
        ({"version": [[]]}, "not supported"),
        ({"static_kwargs": None}, "holds no variables"),
        ({"variables": {}}, "holds no variables"),
        ({"components": [1]}, "holds no variables"),
        ({"components": {"mapping": 3}}, "'mapping' in it holds no variables"),
        ({"variables": [3]}, "has no name"),
        ({"variables": [(b"x", 3)]}, "has no name"),
        ({"variables": [("dlatent_avg", 3)]}, "no plain numbers"),
        ({"variables": [("dlatent_avg", NO_ARRAY)]}, "no plain numbers"),
        ({"variables": [("dlatent_avg", np.array(["a"]))]}, "no plain numbers"),
        ({"variables": [("dlatent_avg", np.zeros(3, ">f4"))]}, "no plain numbers"),
        ({"variables": [("dlatent_avg", np.array([3, None]))]}, "no plain numbers"),
        ({"variables": []}, "lacks "),
    ],
)
def test_damage_is_named(tmp_path: Path, state: dict[str, Any], message: str) -> None:
    network = Network({}, {})
    network.state.update(state)
    refuse(tmp_path, network, message)


def test_network_that_contains_itself(tmp_path: Path) -> None:
    network = Network({}, {})
    network.state["components"]["again"] = network
    refuse(tmp_path, network, "twice")


@pytest.mark.parametrize("content", [(), (1, 2, 3), (Network({}, {}),) * 2])
def test_tuples_that_hold_no_networks(tmp_path: Path, content: object) -> None:
    refuse(tmp_path, content, "holds no networks")


def test_config_is_what_the_tensors_say(tmp_path: Path, generator: Generator) -> None:
    network = make_network(generator)
    network.state["static_kwargs"].clear()
    found = load_generator_file(write_pickle(tmp_path / "network.pkl", network)).config
    assert found == replace(generator.config, w_avg_beta=0.995)


@pytest.mark.parametrize("shape", [(3, 3, 37, 5), (1, 2, 16, 3), (5, 5, 3, 40), (3, 3, 0, 2)])
def test_kernels_are_turned_strip_by_strip(shape: tuple[int, ...]) -> None:
    kernel = np.random.default_rng(0).standard_normal(shape, np.float32)
    assert np.array_equal(tf_legacy._order_axes(kernel), kernel.transpose(3, 2, 0, 1))
    assert np.array_equal(tf_legacy._flip(kernel), kernel[::-1, ::-1].transpose(3, 2, 0, 1))
