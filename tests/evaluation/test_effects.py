import json
from functools import partial

import pytest
import torch
from PIL import Image
from torch import Tensor

from latentedit.collection import CONDITIONED, FOUND, SHOWN, STEADIED, build_collection, write_cards
from latentedit.collection.building import Unedited
from latentedit.direction import Direction, cosine
from latentedit.discovery import discover_by_gradient, steady
from latentedit.editing import edit
from latentedit.errors import InputError
from latentedit.evaluation import measure_effects, rate_population, summarise_effect
from latentedit.latents import sample
from latentedit.library import read_direction
from latentedit.predictors import AttributeScorer


class Brightness:
    """Rate faces by the mean of each colour channel and of its rows, so that ratings differ."""

    name = "brightness"
    attributes = SHOWN
    range = (-100.0, 100.0)

    def __call__(self, images: Tensor) -> Tensor:
        channels = images.mean(dim=[-2, -1])
        upper = images[..., :8, :].mean(dim=[-2, -1])
        contrast = images.std(dim=[-3, -2, -1])[..., None]
        return 100 * torch.cat([channels, upper, contrast], dim=-1)


def test_ratings_are_the_same_in_any_chunk(tiny_generator):
    ws = sample(tiny_generator, range(6)).reshape(2, 3, 6, 16)
    whole = rate_population(tiny_generator, Brightness(), ws)
    assert whole.shape == (2, 3, 7)
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
    monkeypatch.setattr("latentedit.collection.building.HELD_OUT_SEEDS", range(100, 104))
    monkeypatch.setattr("latentedit.collection.building.NUM_GRADIENTS", 20)
    monkeypatch.setattr("latentedit.collection.building.steady", partial(steady, gain=0.2))
    monkeypatch.setattr("latentedit.collection.cards.STRIP_WIDTH", 100)
    monkeypatch.setitem(STEADIED, "steady_traits", ("w_sq", ("typical",)))
    collection = build_collection(tiny_generator, Brightness(), tmp_path, num_faces=300)
    assert collection.keys() == FOUND.keys() | CONDITIONED.keys() | STEADIED.keys()
    index = json.loads((tmp_path / "index.json").read_text())
    assert index["directions"].keys() == collection.keys()
    for name, direction in collection.items():
        stored = read_direction(tmp_path / f"{name}.safetensors")
        assert torch.equal(stored.vector, direction.vector)
        assert stored.generator == index["generator"]
        assert stored.provenance["effects"]["shift_in_sd"].keys() == set(SHOWN)
    found = collection["w_sq_logistic"].provenance
    assert (found["scorer"], found["seeds"], found["truncation_psi"]) == ("brightness:memorable", "0-299", 0.5)
    assert collection["w_sq"].provenance["effects"]["shift_in_sd"]["memorable"]["+3 sigma"] > 0.3
    for name, (_, conditions) in CONDITIONED.items():
        for condition in conditions:
            assert abs(cosine(collection[name], collection[condition])) < 1e-6
            assert abs(collection[name].provenance["cosines"][condition]) < 1e-3
    left = collection["steady_traits"].provenance["changes_in_sd"]
    assert left == pytest.approx({"brightness:memorable": 0.2, "brightness:typical": 0}, abs=0.01)
    assert collection["smile"].provenance["held_out"]["accuracy"] > 0.7
    check_that_typicality_is_followed_where_w_sq_leads(tiny_generator, collection)
    check_cards(tiny_generator, collection, tmp_path / "cards")
    check_that_others_stay(tiny_generator, collection, tmp_path)


def check_that_typicality_is_followed_where_w_sq_leads(generator, collection):
    """It is the average gradient of faces that were taken along w_sq, by both steps in turn."""
    ws, w_sq = sample(generator, range(20), 0.7), collection["w_sq"]
    led = torch.cat([edit(ws[::2], w_sq, 1.5, unit="sigma"), edit(ws[1::2], w_sq, 3, unit="sigma")])
    expected = discover_by_gradient(generator, led, AttributeScorer(Brightness(), "typical"))
    assert cosine(collection["typical"], expected) == pytest.approx(1, abs=1e-6)
    assert collection["typical"].provenance["leader"] == "w_sq"


def check_that_others_stay(generator, collection, folder):
    """Only what is named is made anew; the others keep all but their cosines."""
    again = build_collection(generator, Brightness(), folder, 310, only=["cond_smile", "w_sq_logistic"])
    assert again.keys() == collection.keys()
    assert again["w_sq_logistic"].provenance["num_faces"] == 310
    for name in ("smile", "steady_traits"):
        assert torch.equal(again[name].vector, collection[name].vector)
        assert again[name].provenance["effects"] == collection[name].provenance["effects"]
    assert "effects" not in again["cond_smile"].provenance["parent_provenance"]
    assert again["cond_smile"].provenance["effects"] == collection["cond_smile"].provenance["effects"]
    drawn = again["smile"].provenance["cosines"]["w_sq_logistic"]
    assert drawn == pytest.approx(cosine(again["smile"], again["w_sq_logistic"]), abs=1e-3)
    with pytest.raises(InputError, match="joy: no direction of the collection"):
        build_collection(generator, Brightness(), folder, 300, only=["joy"])
    with pytest.raises(InputError, match="is not there: build all directions"):
        build_collection(generator, Brightness(), folder / "empty", 300, only=["smile"])


def check_cards(generator, collection, folder):
    """The page shows every direction, with its own figures and its strip."""
    write_cards(generator, Brightness(), collection, folder)
    page = (folder / "README.md").read_text()
    for name, direction in collection.items():
        assert f"## `{name}`" in page
        assert f"sigma is {direction.sigma:.3f}" in page
        with Image.open(folder / f"{name}.png") as strip:
            assert strip.width == 100
    shift = collection["smile"].provenance["effects"]["shift_in_sd"]["happy"]
    assert f"**{shift['-3 sigma']:+.2f} / {shift['+3 sigma']:+.2f}**" in page
    assert "rated memorable of oval faces" in page
    assert "rated typical where w_sq leads" in page
    assert "steadied in typical`, on 20 faces, where it changes by brightness:memorable +0.2" in page
    assert {path.name for path in folder.iterdir()} == {"README.md", "cosines.png"} | {f"{n}.png" for n in collection}


def test_a_direction_tells_faces_apart_as_often_as_it_agrees():
    w = torch.tensor([[-2.0, 0], [-1, 0], [1, 0], [2, 0]])
    ratings = torch.tensor([[1.0, 1], [2, 4], [3, 2], [4, 3]])
    unedited = Unedited(w, ratings, ("along", "across"))
    direction = Direction("x", torch.tensor([[1.0, 0]]), (0,))
    assert unedited.judge(direction, "along")["accuracy"] == 1
    assert unedited.judge(direction, "across")["accuracy"] == 0.5
    low, high = unedited.judge(direction, "across")["interval"]
    assert low < 0.5 < high
    assert unedited.sd()["along"] == pytest.approx(1.291, abs=1e-3)


def test_effects_need_a_measured_sigma(tiny_generator, tiny_direction):
    unmeasured = Direction("new", tiny_direction.vector, tiny_direction.layers)
    with pytest.raises(ValueError, match="nobody measured sigma"):
        measure_effects(tiny_generator, Brightness(), unmeasured, sample(tiny_generator, [0]), {"happy": 1.0})
