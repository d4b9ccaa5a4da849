"""What ships must do what its cards say, on faces that nothing was found on."""

import json
from pathlib import Path

import pytest

import directions
from latentedit.addresses import load_direction
from latentedit.checkpoints import load_checkpoint
from latentedit.collection import CONDITIONED, FOUND, HELD_OUT_SEEDS, STEADIED, TRUNCATION_PSI, rate_unedited
from latentedit.direction import cosine
from latentedit.downloads import find_item, path_of
from latentedit.downloads.registry import ASSETS
from latentedit.evaluation import measure_effects
from latentedit.evaluation.effects import ALPHAS
from latentedit.inversion import ProjectionSettings, load_encoder, open_portraits, project, stack_crops
from latentedit.latents import sample
from latentedit.library import list_directions
from latentedit.predictors import load_assessor

ENDS = (ALPHAS[0], ALPHAS[-1])
LEAST_KEPT, GAIN, STILL = 0.6, 1.2, 0.2  # share of the gain; SD of memorability, and of what is steadied
FOLDER = Path(directions.__file__).parent / "faces"


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint("faces")


@pytest.fixture(scope="module")
def effects(checkpoint):
    """Effects of every bundled direction on twelve faces of the held-out seeds, in SD of 200 unedited faces.

    Conditioned ones go to the ends alone: nothing asks how steadily they rise.
    """
    assessor, generator = load_assessor("omi"), checkpoint.generator
    sd = rate_unedited(generator, assessor, num_faces=200).sd()
    ws = sample(generator, HELD_OUT_SEEDS[:12], TRUNCATION_PSI)
    return {
        name: measure_effects(
            generator, assessor, load_direction(name, generator), ws, sd, ENDS if name in CONDITIONED else ALPHAS
        )
        for name in [*FOUND, *CONDITIONED, *STEADIED]
    }


def test_the_generator_says_what_it_is(checkpoint):
    assert checkpoint.config.img_resolution >= 64
    assert "CC BY-NC-SA 4.0" in checkpoint.licence
    assert checkpoint.card["num_images"] > 0
    path = path_of(find_item("faces"))
    assert path.stat().st_size < 16e6
    assert path.with_suffix(".md").exists()


def test_the_encoder_sees_photographs_and_its_curvature_leads_projection(checkpoint, shared):
    generator, encoder = checkpoint.generator, load_encoder("faces", checkpoint.generator)
    path = ASSETS / "faces_encoder.safetensors"
    assert path.stat().st_size < 9e6
    assert path.with_suffix(".md").exists()
    yunet = shared / "reference" / "yunet" / "yunet_n_dynamic.onnx"
    photographs = [shared / "data" / "photos" / f"{name}.jpg" for name in ("congress_02", "faker_04", "faker_11")]
    targets = stack_crops(open_portraits(photographs, yunet), generator.config.img_resolution)
    settings = ProjectionSettings(num_steps=12, candidates=32)
    near = project(generator, targets, settings)
    seen = project(generator, targets, settings, encoder(targets), axes=encoder.axes)
    assert seen.losses[0] < 0.75 * near.losses[0]
    assert min(seen.losses) < 0.6 * min(near.losses)


def test_the_library_belongs_to_the_generator_and_is_indexed(checkpoint):
    index = json.loads((FOLDER / "index.json").read_text())
    assert index["generator"] == checkpoint.fingerprint
    assert index["directions"].keys() == FOUND.keys() | CONDITIONED.keys() | STEADIED.keys()
    assert list_directions(checkpoint.fingerprint).keys() == index["directions"].keys()
    for name in index["directions"]:
        direction = load_direction(name, checkpoint.generator)
        assert direction.sigma > 0
        assert direction.provenance["effects"]["spearman"]


@pytest.mark.parametrize("name", FOUND)
def test_a_direction_moves_its_own_rating_both_ways(effects, name):
    effect = effects[name][FOUND[name].attribute]
    assert effect.shifts[-1] >= 0.7
    assert effect.shifts[0] <= -0.7
    assert effect.spearman >= 0.85


def test_a_second_opinion_agrees_that_each_direction_moves_its_rating(checkpoint):
    assessor, generator = load_assessor("patches"), checkpoint.generator
    sd = rate_unedited(generator, assessor, num_faces=100).sd()
    ws = sample(generator, HELD_OUT_SEEDS[:8], TRUNCATION_PSI)
    for name, recipe in FOUND.items():
        effects = measure_effects(generator, assessor, load_direction(name, generator), ws, sd, ENDS)
        assert effects[recipe.attribute].shifts[-1] >= 0.4, name
        assert effects[recipe.attribute].shifts[0] <= -0.4, name


@pytest.mark.parametrize("name", CONDITIONED)
def test_a_conditioned_direction_spares_what_it_is_projected_off(effects, checkpoint, name):
    parent, conditions = CONDITIONED[name]
    for condition in conditions:
        one, other = (load_direction(n, checkpoint.generator) for n in (name, condition))
        assert abs(cosine(one, other)) < 1e-6
        dragged = abs(effects[parent][FOUND[condition].attribute].shifts[-1])
        if dragged > 0.2:
            assert abs(effects[name][FOUND[condition].attribute].shifts[-1]) <= dragged / 2
    stated, whole = (
        state_gain(load_direction(n, checkpoint.generator), FOUND[parent].attribute) for n in (name, parent)
    )
    assert stated / whole >= LEAST_KEPT
    kept = effects[name][FOUND[parent].attribute].shifts[-1] / effects[parent][FOUND[parent].attribute].shifts[-1]
    assert kept == pytest.approx(stated / whole, abs=0.08)  # on twelve faces


def state_gain(direction, attribute):
    """What the direction's card says that 3 sigma do, on all held-out faces."""
    return direction.provenance["effects"]["shift_in_sd"][attribute]["+3 sigma"]


@pytest.mark.parametrize("name", STEADIED)
def test_a_steadied_direction_leaves_its_ratings_alone_in_the_mean(effects, checkpoint, name):
    parent, kept = STEADIED[name]
    effect, direction = effects[name], load_direction(name, checkpoint.generator)
    assert state_gain(direction, FOUND[parent].attribute) >= GAIN
    assert effect[FOUND[parent].attribute].spearman >= 0.85
    for attribute in kept:
        stated = state_gain(direction, attribute)
        assert abs(stated) <= STILL
        assert effect[attribute].shifts[-1] == pytest.approx(stated, abs=0.4)  # on twelve faces
