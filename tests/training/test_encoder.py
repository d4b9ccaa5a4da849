"""An encoder learns what a generator's faces were made of, is kept with its generator's fingerprint, and checked."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import latentedit as le
from latentedit.checkpoints.records import load_record, save_record
from latentedit.errors import InputError
from latentedit.inversion import encoding
from latentedit.inversion.encoding import load_encoder, save_encoder
from latentedit.networks.encoder import CodeNetwork, EncoderConfig, EncoderNetwork
from latentedit.training.encoder import EncoderSettings, EncoderTraining, make_encoder, train_encoder, vary

QUICK = EncoderSettings(num_steps=25, batch=4, num_faces=256, learning_rate=0.004, channel_max=16)


@pytest.fixture(scope="module")
def data(tiny_generator, tmp_path_factory) -> Path:
    """Pictures of the generator's own faces."""
    folder = tmp_path_factory.mktemp("faces")
    for i, image in enumerate(le.render(tiny_generator, le.sample(tiny_generator, range(50, 58), 0.7))):
        le.to_pil(image).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tiny_generator, data, tmp_path_factory) -> tuple[Path, dict[str, float]]:
    outdir = tmp_path_factory.mktemp("runs") / "encoder"
    return outdir / "encoder.safetensors", train_encoder(tiny_generator, [data], outdir, QUICK, quiet=True)


def test_it_knows_faces_that_it_never_saw_better_than_the_mean_face_does(tiny_generator, trained):
    ws = le.sample(tiny_generator, range(9000, 9032))
    images = le.render(tiny_generator, ws)
    encoded = load_encoder(trained[0], tiny_generator)(images)
    assert encoded.shape == (32, 6, 16)
    mean = tiny_generator.mapping(torch.randn(2000, 12)).mean(dim=0).expand_as(ws)
    errors = [(tiny_generator.synthesis(w) - images).square().mean() for w in (encoded, mean)]
    assert errors[0] < 0.75 * errors[1]


def test_a_sheet_of_samples_lies_beside_it(trained):
    assert {path.name for path in trained[0].parent.iterdir()} == {"encoder.safetensors", "samples.png"}
    assert trained[1].keys() == {"rendered", "photographs", "latents", "population", "delta"}


def test_the_same_command_trains_the_same_encoder(tiny_generator, data, tmp_path):
    settings = EncoderSettings(num_steps=2, batch=2, num_faces=8, channel_max=16)
    for name in ("a", "b"):
        torch.rand(3)  # whatever was drawn before
        train_encoder(tiny_generator, [data], tmp_path / name, settings, quiet=True)
    states = [load_record(tmp_path / name / "encoder.safetensors")[0] for name in ("a", "b")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_killed_training_goes_on_and_ends_in_the_same_bits(tiny_generator, data, tmp_path, monkeypatch):
    settings = EncoderSettings(num_steps=7, batch=2, num_faces=8, channel_max=16, snapshot=2)
    train_encoder(tiny_generator, [data], tmp_path / "whole", settings, quiet=True)
    step, count = EncoderTraining.step, iter(range(100))

    def interrupt(training):
        if next(count) == 5:
            raise KeyboardInterrupt
        return step(training)

    monkeypatch.setattr(EncoderTraining, "step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_encoder(tiny_generator, [data], tmp_path / "cut", settings, quiet=True)
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["state.pt"]
    others = ((replace(settings, learning_rate=0.1), None), (replace(settings, num_steps=8), None), (settings, data))
    for other, start in others:
        with pytest.raises(InputError, match=r"cut/state.pt: was trained with other settings or data"):
            train_encoder(tiny_generator, [data], tmp_path / "cut", other, quiet=True, start=start)
    train_encoder(tiny_generator, [data], tmp_path / "cut", settings, quiet=True)
    assert next(count) == 6 + 3  # five and the broken one, then those after the save at 4
    files = [(tmp_path / name / "encoder.safetensors").read_bytes() for name in ("whole", "cut")]
    assert files[0] == files[1]
    assert {path.name for path in (tmp_path / "cut").iterdir()} == {"encoder.safetensors", "samples.png"}


def test_a_state_of_something_else_is_named(tiny_generator, data, tmp_path):
    (tmp_path / "state.pt").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"state.pt"):
        train_encoder(tiny_generator, [data], tmp_path, STILL, quiet=True)
    torch.save({"record": "", "config": {}}, tmp_path / "state.pt")
    with pytest.raises(InputError, match=r"state.pt is no state of an encoder's training"):
        train_encoder(tiny_generator, [data], tmp_path, STILL, quiet=True)


STILL = EncoderSettings(num_steps=1, batch=1, num_faces=2, learning_rate=1e-12, channel_max=16, precision="fp32")


def test_it_goes_on_from_an_encoder(tiny_generator, data, trained, tmp_path):
    train_encoder(tiny_generator, [data], tmp_path / "on", STILL, quiet=True, start=trained[0])
    states = [load_record(path)[0] for path in (trained[0], tmp_path / "on" / "encoder.safetensors")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_it_begins_near_the_encoder_of_a_generator_that_was_grown(tiny_generator, scorable_generator, data, trained):
    settings = replace(STILL, probes=1, num_axes=64)
    encoder = make_encoder(scorable_generator, settings, trained[0], quiet=True)
    assert (encoder.config.img_resolution, encoder.axes.shape) == (16, (96, 8, 16))
    images = torch.rand(8, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        found, expected = encoder(images), load_encoder(trained[0], tiny_generator)(images)[:, [*range(6), 5, 5]]
    for ws in (found, expected):
        ws -= encoder.mean
    assert (found - expected).square().mean() < 0.6 * expected.square().mean()  # 96 of 128 dimensions
    found, expected = (ws - ws.mean(dim=0) for ws in (found, expected))  # of the faces alone
    assert (found - expected).square().mean() < 0.6 * expected.square().mean()


def test_an_encoder_that_does_not_fit_at_all_is_refused(anchored, trained):
    with pytest.raises(InputError, match=r"encoder.safetensors: sees 16 px and names 16 numbers a layer"):
        make_encoder(anchored[0], STILL, trained[0], quiet=True)


@pytest.fixture(scope="module")
def anchored(tmp_path_factory):
    """A generator, and the state of its training with an anchor."""
    torch.manual_seed(0)
    config = le.GeneratorConfig(16, (16, 16, 16), z_dim=8, w_dim=8, num_mapping_layers=1)
    generator = le.Generator(config).eval().requires_grad_(False)
    generator.mapping.w_avg.copy_(torch.randn(8))
    network = CodeNetwork(config)
    path = tmp_path_factory.mktemp("anchored") / "state.pt"
    torch.save({"record": "", "encoder": network.state_dict()}, path)
    return generator, network, path


def test_it_begins_where_an_anchor_ended(anchored, data, tmp_path):
    generator, network, path = anchored
    train_encoder(generator, [data], tmp_path / "out", STILL, quiet=True, start=path)
    images = torch.rand(3, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        expected = (network(images) + generator.mapping.w_avg)[:, None].expand(-1, 6, -1)
    found = load_encoder(tmp_path / "out" / "encoder.safetensors", generator)(images)
    assert torch.allclose(found, expected, atol=0.005)  # kept in float16
    assert float(expected.std(dim=0).mean()) > 0.03


def test_a_state_without_an_anchor_is_refused(anchored, tiny_generator, data, tmp_path):
    torch.save({"record": ""}, tmp_path / "none.pt")
    for generator, path in ((anchored[0], tmp_path / "none.pt"), (tiny_generator, anchored[2])):
        with pytest.raises(InputError, match=r".pt: holds no anchor of this generator"):
            train_encoder(generator, [data], tmp_path / "out", STILL, quiet=True, start=path)
    assert not (tmp_path / "out").exists()


def test_photographs_are_varied_a_little():
    torch.manual_seed(0)
    x = torch.linspace(-0.8, 0.8, 32).expand(8, 3, 32, 32)
    varied = vary(x)
    assert 0.01 < (varied - x).abs().mean() < 0.15
    assert varied.abs().max() <= 1
    assert (varied[0] - varied[1]).abs().max() > 0.01
    assert torch.corrcoef(torch.stack([varied.flatten(), x.flatten()]))[0, 1] > 0.95


def test_it_is_a_start_for_projection(tiny_generator, trained):
    from latentedit.inversion.projection import ProjectionSettings, project

    images = le.render(tiny_generator, le.sample(tiny_generator, [9001]))
    start = load_encoder(trained[0], tiny_generator)(images)
    found = project(tiny_generator, images, ProjectionSettings(num_steps=2), start)
    assert torch.allclose(found.frames[0], start, atol=1e-4)


def test_an_encoder_of_another_generator_is_refused(scorable_generator, trained):
    with pytest.raises(InputError, match=r"encoder.safetensors: encodes for generator"):
        load_encoder(trained[0], scorable_generator)


def test_images_of_another_size_are_refused(tiny_generator, trained):
    with pytest.raises(InputError, match="sees 16 px, these images have 8"):
        load_encoder(trained[0], tiny_generator)(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda tensors, header: header.update(kind="generator"), "holds no encoder"),
        (lambda tensors, header: tensors.pop("mean"), "damaged"),
        (lambda tensors, header: tensors.update(mean=torch.zeros(3)), "damaged"),
        (lambda tensors, header: header["config"].update(num_ws=7), "damaged"),
        (lambda tensors, header: header["config"].update(w_dim=10**9), "damaged"),
        (lambda tensors, header: header["config"].update(img_resolution=17), "damaged"),
        (lambda tensors, header: header["config"].update(code="x"), "damaged"),
        (lambda tensors, header: header.pop("config"), "damaged"),
    ],
)
def test_damaged_files_are_refused(tiny_generator, trained, tmp_path, spoil, words):
    tensors, header = load_record(trained[0])
    spoil(tensors, header)
    save_record(tmp_path / "e.safetensors", tensors, header)
    with pytest.raises(InputError, match=words) as caught:
        load_encoder(tmp_path / "e.safetensors", tiny_generator)
    assert "e.safetensors" in str(caught.value)


def test_axes_are_no_more_than_there_are_dimensions():
    with pytest.raises(ValueError, match="num_axes is more than W\\+ has dimensions"):
        EncoderConfig(16, 6, 16, num_axes=97)


def test_no_memory_is_taken_for_what_a_file_only_claims(tiny_generator, trained, tmp_path, monkeypatch):
    tensors, header = load_record(trained[0])
    header["config"].update(num_ws=64, w_dim=4096)
    save_record(tmp_path / "e.safetensors", tensors, header)
    places = []
    monkeypatch.setattr(
        encoding, "EncoderNetwork", lambda config: places.append(torch.empty(0).device.type) or EncoderNetwork(config)
    )
    with pytest.raises(InputError, match="damaged"):
        load_encoder(tmp_path / "e.safetensors", tiny_generator)
    assert places == ["meta"]


def test_a_generator_of_classes_is_refused(data, tmp_path):
    conditional = le.Generator(le.GeneratorConfig(8, (4, 4), z_dim=4, w_dim=4, c_dim=2, num_mapping_layers=1))
    with pytest.raises(InputError, match="without classes"):
        train_encoder(conditional, [data], tmp_path / "out", QUICK, quiet=True)
    assert not (tmp_path / "out").exists()


def test_the_network_starts_at_what_its_file_says(tmp_path, tiny_generator):
    encoder = EncoderNetwork(EncoderConfig(16, 6, 16, channel_base=64, channel_max=8, num_axes=96))
    nn.init.zeros_(encoder.out.weight)
    encoder.mean.fill_(2.0)
    assert torch.equal(encoder(torch.zeros(1, 3, 16, 16)), torch.full((1, 6, 16), 2.0))
    save_encoder(tmp_path / "e.safetensors", encoder, le.fingerprint(tiny_generator), {})
    assert torch.equal(
        load_encoder(tmp_path / "e.safetensors", tiny_generator)(torch.zeros(1, 3, 16, 16)), torch.full((1, 6, 16), 2.0)
    )
