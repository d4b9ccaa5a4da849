import json

import pytest
import torch
from torch import Tensor

from latentedit.collection import CONDITIONED, FOUND, build_collection
from latentedit.direction import Direction, cosine
from latentedit.evaluation import measure_effects, rate_population, summarise_effect
from latentedit.latents import sample
from latentedit.library import read_direction


class Brightness:
    """Rate faces by the mean of each colour channel and of its rows, so that ratings differ."""

    name = "brightness"
    attributes = tuple(dict.fromkeys(FOUND.values()))
    range = (-100.0, 100.0)

    def __call__(self, images: Tensor) -> Tensor:
        channels = images.mean(dim=[-2, -1])
        upper = images[..., :8, :].mean(dim=[-2, -1])
        return 100 * torch.cat([channels, upper], dim=-1)


def test_ratings_are_the_same_in_any_chunk(tiny_generator):
    ws = sample(tiny_generator, range(6)).reshape(2, 3, 6, 16)
    whole = rate_population(tiny_generator, Brightness(), ws)
    assert whole.shape == (2, 3, 6)
    assert torch.allclose(rate_population(tiny_generator, Brightness(), ws, chunk=1), whole, atol=1e-3)


def test_a_summary_is_in_standard_deviations_and_ranks():
    ratings = torch.tensor([[1.0, 2.0, 4.0], [10.0, 11.0, 9.0]])
    effect = summarise_effect(ratings, ratings[:, 1], sd=2.0, alphas=[-1, 0, 1])
    assert effect.shifts == pytest.approx((-0.5, 0, 0))
    assert effect.spearman == pytest.approx((1 - 0.5) / 2)


def test_alpha_zero_moves_nothing(tiny_generator, tiny_direction):
    ws = sample(tiny_generator, range(3))
    effects = measure_effects(tiny_generator, Brightness(), tiny_direction, ws, {"happy": 1.0})
    assert effects["happy"].shifts[3] == pytest.approx(0, abs=1e-4)
    assert abs(effects["happy"].shifts[0]) > 0.1


def test_a_collection_is_found_conditioned_measured_and_indexed(tiny_generator, tmp_path, monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(100))
    monkeypatch.setattr("latentedit.collection.HELD_OUT_SEEDS", range(100, 104))
    monkeypatch.setattr("latentedit.collection.NUM_GRADIENTS", 20)
    collection = build_collection(tiny_generator, Brightness(), tmp_path, num_faces=300)
    assert collection.keys() == FOUND.keys() | CONDITIONED.keys()
    index = json.loads((tmp_path / "index.json").read_text())
    assert index["directions"].keys() == collection.keys()
    for name, direction in collection.items():
        stored = read_direction(tmp_path / f"{name}.safetensors")
        assert torch.equal(stored.vector, direction.vector)
        assert stored.generator == index["generator"]
        assert stored.provenance["effects"]["shift_in_sd"].keys() == set(FOUND.values())
    found = collection["w_sq"].provenance
    assert (found["scorer"], found["seeds"], found["truncation_psi"]) == ("brightness:memorable", "0-299", 0.5)
    assert collection["w_sq"].provenance["effects"]["shift_in_sd"]["memorable"]["+3 sigma"] > 0.5
    for name, (_, conditions) in CONDITIONED.items():
        for condition in conditions:
            assert abs(cosine(collection[name], collection[condition])) < 1e-6


def test_effects_need_a_measured_sigma(tiny_generator, tiny_direction):
    unmeasured = Direction("new", tiny_direction.vector, tiny_direction.layers)
    with pytest.raises(ValueError, match="nobody measured sigma"):
        measure_effects(tiny_generator, Brightness(), unmeasured, sample(tiny_generator, [0]), {"happy": 1.0})
