"""An anchored training rebuilds the faces it is shown."""

from dataclasses import replace

import pytest
import torch

from latentedit.networks import Generator, GeneratorConfig
from latentedit.networks.discriminator import Discriminator
from latentedit.training.anchor import Anchor, compare_features, compare_pyramids
from latentedit.training.gan import Settings, Training

CPU = torch.device("cpu")
CONFIG = GeneratorConfig(8, (8, 8), z_dim=8, w_dim=8, num_mapping_layers=1, use_noise=False)
SETTINGS = Settings(batch=4, precision="fp32", augment="none", anchor=4.0, learning_rate=0.005)


def make_faces():
    """Plain squares of six colours: uint8 [6, 3, 8, 8]."""
    colours = torch.tensor([[250, 5, 5], [5, 250, 5], [5, 5, 250], [250, 250, 5], [5, 250, 250], [250, 5, 250]])
    return colours[:, :, None, None].expand(6, 3, 8, 8).to(torch.uint8)


def test_the_training_faces_are_rebuilt_better_and_better():
    torch.manual_seed(0)
    training = Training(CONFIG, SETTINGS, CPU)
    costs = [training.step(make_faces())["anchor"] for _ in range(60)]
    assert sum(costs[-10:]) < 0.6 * sum(costs[:10])


def test_without_its_weight_nothing_is_rebuilt():
    training = Training(CONFIG, replace(SETTINGS, anchor=0.0), CPU)
    assert training.anchor is None
    assert "anchor" not in training.step(make_faces())
    assert "encoder" not in training.state_dict()


def test_codes_of_generated_faces_are_learnt():
    torch.manual_seed(0)
    generator, critic = Generator(CONFIG).requires_grad_(False), Discriminator(CONFIG).requires_grad_(False)
    anchor = Anchor(CONFIG, CPU, torch.float32)
    anchor.set_rate(0.005)
    ws = generator.map(torch.randn(16, 8))
    fakes = generator.synthesis(ws)
    errors = []
    for _ in range(60):
        costs = anchor.measure(generator, critic, fakes, fakes, ws)
        anchor.optimiser.zero_grad()
        costs["latents"].backward()
        anchor.optimiser.step()
        errors.append(costs["latents"].item())
    assert errors[-1] < 0.3 * errors[0]


def test_real_faces_teach_both_networks_and_generated_ones_the_encoder_alone():
    generator, critic = Generator(CONFIG), Discriminator(CONFIG).requires_grad_(False)
    anchor = Anchor(CONFIG, CPU, torch.float32)
    ws = generator.map(torch.randn(4, 8))
    fakes = generator.synthesis(ws)
    costs = anchor.measure(generator, critic, torch.randn(4, 3, 8, 8), fakes, ws)
    synthesis = list(generator.synthesis.parameters())
    (known,) = torch.autograd.grad(costs["latents"], [anchor.encoder.out.weight], retain_graph=True)
    assert known.abs().sum() > 0
    assert all(
        part is None for part in torch.autograd.grad(costs["latents"], synthesis, retain_graph=True, allow_unused=True)
    )
    for weight in (anchor.encoder.out.weight, synthesis[0]):
        (slope,) = torch.autograd.grad(costs["anchor"], [weight], retain_graph=True)
        assert slope.abs().sum() > 0


def test_an_anchor_begins_with_the_discriminators_blocks():
    torch.manual_seed(0)
    plain = Training(CONFIG, replace(SETTINGS, anchor=0.0), CPU)
    anchored = Training(CONFIG, SETTINGS, CPU)
    anchored.load_state_dict(plain.state_dict())
    encoder = anchored.anchor.encoder.state_dict()
    for name, weight in plain.discriminator.state_dict().items():
        assert name.startswith("b4.") or torch.equal(weight, encoder[name])


def test_equal_images_are_at_no_distance_and_offsets_at_theirs():
    images = torch.randn(2, 3, 16, 16)
    assert compare_pyramids(images, images) == 0
    assert compare_pyramids(images, images + 0.25).item() == pytest.approx(4 * 0.25, rel=1e-5)
    checkers = 0.25 * (-1.0) ** (torch.arange(16) + torch.arange(16)[:, None])
    assert compare_pyramids(images, images + checkers).item() == pytest.approx(0.25, rel=1e-5)
    critic = Discriminator(CONFIG)
    faces = torch.randn(2, 3, 8, 8, requires_grad=True)
    assert compare_features(critic, faces, faces.detach(), torch.float32) == 0
    distance = compare_features(critic, faces, faces.detach() + 0.1, torch.float32)
    assert distance > 0
    assert torch.autograd.grad(distance, faces)[0].abs().sum() > 0
