import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from latentedit.errors import InputError
from latentedit.networks import Generator, GeneratorConfig
from latentedit.networks.discriminator import Discriminator
from latentedit.networks.encoder import CodeNetwork
from latentedit.training.gan import Settings, Training
from latentedit.training.generator import train_generator
from latentedit.training.growth import grow
from stylegan_ops import downsample2d, setup_filter, upsample2d

SMALL = GeneratorConfig(8, (8, 7), z_dim=8, w_dim=8, num_mapping_layers=2, use_noise=False)
LARGE = replace(SMALL, img_resolution=16, channels=(8, 7, 9))
SETTINGS = Settings(batch=4, r1_interval=2, precision="fp32")
ANCHORED = replace(SETTINGS, anchor=1.0)
CPU = torch.device("cpu")
PHOTOS = torch.randint(0, 256, [6, 3, 16, 16], dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def state():
    """Train at 8 px for a few steps; biases are moved too, so that none is zero."""
    with torch.random.fork_rng():
        training = Training(SMALL, SETTINGS, CPU)
        for _ in range(4):
            training.step(PHOTOS[..., ::2, ::2])
        return training.state_dict()


@pytest.fixture
def grown(state):
    with torch.random.fork_rng():
        training = Training(LARGE, SETTINGS, CPU)
        grow(training, SMALL, state)
        yield training


def revive(module, weights):
    module.load_state_dict(weights)
    return module.requires_grad_(False)


@pytest.mark.parametrize("which", ["generator", "average"])
def test_the_first_images_are_the_small_ones_upsampled(grown, state, which):
    z = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
    small = revive(Generator(SMALL), state[which])
    expected = upsample2d(small(z, truncation_psi=0.7), setup_filter())
    assert torch.allclose(getattr(grown, which)(z, truncation_psi=0.7), expected, atol=1e-5)


def test_the_first_logits_are_the_small_ones_of_halved_images(grown, state):
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    small = revive(Discriminator(SMALL), state["discriminator"])
    expected = small(downsample2d(images, setup_filter()))
    assert torch.allclose(grown.discriminator(images), expected, atol=1e-5)
    assert expected.std() > 1e-3


def test_moments_stay_with_their_weights_and_counts_go_on(grown, state):
    assert torch.equal(torch.get_rng_state(), state["rng"])
    for name, module, large in (
        ("generator_optimiser", Generator(SMALL), grown.generator),
        ("discriminator_optimiser", Discriminator(SMALL), grown.discriminator),
    ):
        parameters = dict(large.named_parameters())
        for i, (key, _) in enumerate(module.named_parameters()):
            if "b8.fromrgb" not in key:
                moment = getattr(grown, name).state[parameters[key]]["exp_avg_sq"]
                assert torch.equal(moment, state[name]["state"][i]["exp_avg_sq"]), key
    assert grown.num_images == 16
    assert torch.equal(grown.generator.mapping.w_avg, state["generator"]["mapping.w_avg"])


def live(training):
    return [*training.generator.named_parameters(), *training.discriminator.named_parameters("discriminator")]


def test_every_new_weight_learns(grown):
    before = {name: p.detach().clone() for name, p in live(grown)}
    for _ in range(4):
        grown.step(PHOTOS)
    for name, parameter in live(grown):
        assert not torch.equal(parameter, before[name]), name


def test_a_grown_training_goes_on_from_its_own_state(state, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for i, photo in enumerate(PHOTOS):
        Image.fromarray(photo.permute(1, 2, 0).numpy()).save(folder / f"{i}.png")
    torch.save(state, tmp_path / "small.pt")
    arguments = (LARGE, SETTINGS, 8, None, True, tmp_path / "small.pt")
    first = train_generator([folder], tmp_path / "run", 24, *arguments)
    assert torch.load(first, weights_only=True)["num_images"] == 24
    (tmp_path / "small.pt").unlink()
    last = train_generator([folder], tmp_path / "run", 28, *arguments)
    content = torch.load(last, weights_only=True)
    assert content["num_images"] == 28
    assert json.loads(content["record"])["config"]["img_resolution"] == 16


@pytest.fixture(scope="module")
def anchored_state():
    with torch.random.fork_rng():
        training = Training(SMALL, ANCHORED, CPU)
        for _ in range(2):
            training.step(PHOTOS[..., ::2, ::2])
        return training.state_dict()


def grow_anchored(state):
    with torch.random.fork_rng():
        training = Training(LARGE, ANCHORED, CPU)
        grow(training, SMALL, state)
        return training


def test_an_anchors_first_codes_are_the_small_ones_of_halved_images(anchored_state):
    grown = grow_anchored(anchored_state)
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    small = revive(CodeNetwork(SMALL), anchored_state["encoder"])
    expected = small(downsample2d(images, setup_filter()))
    assert torch.allclose(grown.anchor.encoder(images), expected, atol=1e-5)
    assert expected.std() > 1e-4
    moments = anchored_state["encoder_optimiser"]["state"]
    assert len(grown.anchor.optimiser.state_dict()["state"]) == len(moments) - 2  # all but fromrgb's
    for _ in range(2):
        grown.step(PHOTOS)


def test_an_anchor_without_a_past_begins_with_the_grown_critics_blocks(state):
    grown = grow_anchored(state)
    encoder, critic = grown.anchor.encoder.state_dict(), grown.discriminator.state_dict()
    assert all(torch.equal(encoder[name], critic[name]) for name in critic if not name.startswith("b4."))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (replace(LARGE, img_resolution=32, channels=(8, 7, 9, 9)), "8 px with widths"),
        (replace(LARGE, channels=(8, 8, 9)), "give twice the resolution"),
        (replace(LARGE, w_dim=9), "give twice the resolution"),
        (replace(LARGE, channels=(8, 7, 5)), "too narrow"),
    ],
)
def test_what_does_not_fit_is_refused(state, config, message):
    with torch.random.fork_rng(), pytest.raises(InputError, match=message):
        grow(Training(config, SETTINGS, CPU), SMALL, state)
