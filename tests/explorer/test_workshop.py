from dataclasses import replace

import pytest
import torch

from latentedit.addresses import load_direction
from latentedit.direction import cosine
from latentedit.discovery import calibrate
from latentedit.editing import edit
from latentedit.errors import InputError
from latentedit.explorer.setting import Setting
from latentedit.latents import sample
from latentedit.rendering import render


def test_sliders_add_up_to_edits_one_after_the_other(workshop):
    setting = Setting(seed=3, psi=0.6, alphas=(("smile", 2.0), ("age", -1.0), ("gender", 0.0)), layers="2-5")
    ws = sample(workshop.generator, [3], 0.6)
    for name, alpha in (("smile", 2.0), ("age", -1.0)):
        ws = edit(ws, load_direction(name, workshop.generator), alpha, [2, 3, 4, 5], "sigma")
    assert torch.allclose(workshop.move(setting), ws, atol=1e-6)
    assert torch.equal(workshop.paint(workshop.move(setting)), render(workshop.generator, workshop.move(setting)))


def test_before_is_the_face_that_no_slider_moves(workshop):
    setting = Setting(seed=3, alphas=(("smile", 2.0),), keep=("age",))
    assert torch.equal(workshop.move(setting.scaled(0)), sample(workshop.generator, [3], 0.7))


def test_what_is_kept_is_left_alone_but_for_itself(workshop):
    kept = workshop.open_direction("w_sq", ("smile", "age"))
    for name in ("smile", "age"):
        assert abs(cosine(kept, workshop.find_direction(name))) < 1e-6
    assert abs(cosine(workshop.open_direction("smile", ("smile", "age")), workshop.find_direction("age"))) < 1e-6
    assert workshop.open_direction("smile", ("smile",)) is workshop.find_direction("smile")


def test_sigma_is_measured_as_calibrate_does(workshop, monkeypatch):
    seeds = range(1000, 1064)
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", seeds)
    monkeypatch.delitem(workshop.__dict__, "population", raising=False)
    unknown = replace(load_direction("smile", workshop.generator), sigma=None)
    assert workshop._measure(unknown).sigma == pytest.approx(calibrate(unknown, workshop.generator).sigma, rel=1e-5)
    del workshop.__dict__["population"]


def test_channels_move_in_stylespace_after_directions_in_w(workshop, monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(32))
    setting = Setting(alphas=(("3_20", 4.0), ("smile", 2.0)))
    styles = workshop.move(setting)
    assert styles.shape == (1, workshop.config.num_styles)
    changed = (workshop.paint(styles) - workshop.paint(workshop.move(Setting(alphas=(("smile", 2.0),))))).abs().mean()
    assert changed > 0.01


def test_a_rating_says_all_that_its_assessor_sees(workshop):
    images = workshop.paint(workshop.move(Setting()))
    (rating,) = workshop.rate("omi:happy", images)
    assert rating.others["happy"] == rating.score
    assert rating.interval[0] < rating.score < rating.interval[1]
    assert len(rating.others) == 34


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (Setting(alphas=(("../secret.npy", 1.0),)), "direction '../secret.npy' is not known: choose one of the list"),
        (Setting(alphas=(("smile", 1.0),), layers="40"), r"this generator has layers 0-\d+$"),
        (Setting(from_photo=True), "no photograph is here"),
        (Setting(alphas=(("99_1", 1.0),)), "99"),
    ],
)
def test_what_cannot_be_is_one_line(workshop, setting, expected):
    with pytest.raises(InputError, match=expected):
        workshop.move(setting)


def test_a_scorer_is_one_of_the_list(workshop):
    with pytest.raises(InputError, match=r"scorer '/etc/x\.safetensors' is not known"):
        workshop.rate("/etc/x.safetensors", torch.zeros(1, 3, 64, 64))
