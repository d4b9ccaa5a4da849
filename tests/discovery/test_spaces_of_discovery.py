"""Every supervised method in every space, on latents whose scores run along a known direction."""

import pytest
import torch
from torch.nn.functional import cosine_similarity

from latentedit.discovery import METHODS, discover
from latentedit.discovery.coordinates import choose_coordinates
from latentedit.editing import edit

SHAPES = {"z": (12,), "w": (16,), "w+": (6, 16), "s": None}


@pytest.fixture(scope="module", params=SHAPES)
def world(request, tiny_generator):
    """Latents of a space, their scores, and the direction along which these rise."""
    random = torch.Generator().manual_seed(2)
    shape = SHAPES[request.param] or (tiny_generator.config.num_styles,)
    latents = torch.randn(20_000, *shape, generator=random)
    truth = torch.randn(shape, generator=random)
    scores = (latents * truth).flatten(1).sum(dim=1) + 0.1 * torch.randn(len(latents), generator=random)
    return request.param, latents, scores, truth.double()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_recovers_the_truth_in_every_space(tiny_generator, world, method, monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(50))
    space, latents, scores, truth = world
    direction = discover(tiny_generator, latents, scores, method, space=space)
    assert direction.space == space
    assert direction.provenance["hold_out_accuracy"] > 0.9
    low, high = direction.provenance["hold_out_interval"]
    assert low < direction.provenance["hold_out_accuracy"] <= high
    ahead = latents if latents.ndim > 2 or space in "zs" else latents[:, None].repeat(1, 6, 1)
    step = (edit(ahead, direction, 1, unit="raw") - ahead).double().mean(dim=0)
    wanted = truth.expand_as(step)
    assert cosine_similarity(step.flatten(), wanted.flatten(), dim=0) > 0.99


@pytest.mark.parametrize("space", SHAPES)
def test_a_part_of_the_layers_is_learned_from_and_moved_alone(tiny_generator, space):
    layers = (0,) if space == "z" else (1, 3)
    coordinates = choose_coordinates(tiny_generator.config, space, layers)
    latents = torch.randn(4, *(SHAPES[space] or (tiny_generator.config.num_styles,)))
    flat = coordinates.flatten(latents)
    vector = coordinates.shape(flat[0])
    assert len(vector) == len(layers)
    if space == "w+":
        assert torch.equal(vector, latents[0, [1, 3]])
    if space == "s":
        starts = [tiny_generator.config.style_layers[i].start for i in layers]
        assert torch.equal(vector, torch.stack([latents[0, start : start + 8] for start in starts]))
