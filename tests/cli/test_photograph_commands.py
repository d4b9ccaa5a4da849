"""`align`, `invert` and `apply --photo`, from a photograph to the photograph with the edit in it."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import latentedit as le
from latentedit.cli import inverting
from latentedit.predictors import likeness
from latentedit.predictors.likeness import Likeness, load_likeness

QUICK = ["--steps", "3", "--quiet"]


@pytest.fixture
def photo(shared, tmp_path, monkeypatch):
    """A photograph of 640 x 640 pixels, and the detector where the commands look for it."""
    monkeypatch.setenv("LATENTEDIT_YUNET", str(shared / "reference" / "yunet" / "yunet_n_dynamic.onnx"))
    path = tmp_path / "in" / "photo.jpg"
    path.parent.mkdir()
    path.write_bytes((shared / "data" / "photos" / "faker_04.jpg").read_bytes())
    return path


@pytest.fixture
def square(tmp_path):
    """An aligned picture that needs no detector."""
    path = tmp_path / "in" / "square.png"
    path.parent.mkdir(exist_ok=True)
    Image.effect_noise((40, 32), 60).convert("RGB").save(path)
    return path


def read(path):
    """Read a picture: -> uint8 [H, W, 3]."""
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_align_writes_the_crop_and_where_it_lay(run, photo, tmp_path):
    out = tmp_path / "out"
    done = run("align", photo, "--size", "64", "--out", out)
    assert done.code == 0
    assert "photo.jpg: 384 px wide, face 1 of 1" in done.out
    assert names(out) == ["photo.json", "photo.png", "run.json"]
    assert read(out / "photo.png").shape == (64, 64, 3)
    described = json.loads((out / "photo.json").read_text())
    assert described["alignment"]["size"] == [640, 640]
    points = tmp_path / "points.json"
    points.write_text(json.dumps({"photo.jpg": described["landmarks"]}))
    run("align", photo, "--size", "64", "--out", tmp_path / "own", "--landmarks", points)
    assert (tmp_path / "own" / "photo.png").read_bytes() == (out / "photo.png").read_bytes()


def test_68_landmarks_become_five(run, square, tmp_path):
    points = np.random.default_rng(0).uniform(0, 40, (68, 2))
    points[30], points[48], points[54] = (20, 20), (14, 30), (26, 30)
    points[36:42], points[42:48] = ([(x + offset, 12) for offset in (-3, -2, -1, 1, 2, 3)] for x in (12, 28))
    five = [[12, 12], [28, 12], [20, 20], [14, 30], [26, 30]]
    for name, content in (("a", points.tolist()), ("b", five)):
        (tmp_path / "points.json").write_text(json.dumps(content))
        assert run("align", square, "--landmarks", tmp_path / "points.json", "--out", tmp_path / name).code == 0
    assert (tmp_path / "a" / "square.png").read_bytes() == (tmp_path / "b" / "square.png").read_bytes()


def test_invert_then_apply(run, network, square, tmp_path):
    out = tmp_path / "codes"
    done = run("invert", square, "--aligned", "--network", network, "--out", out, "--steps", "3", "--json")
    assert names(out) == ["run.json", "square.npz", "strip.png"]
    assert "no LPIPS weights" in done.facts["loss"]
    (face,) = done.facts["photographs"]
    assert face["inversion"].keys() == {"l2", "ms_ssim", "distance"}
    ws = le.load_latents(out / "square.npz", le.load_generator(network))
    assert ws.shape == (1, 8, 16)
    shown = le.render(le.load_generator(network), ws)
    target = torch.tensor(read(square)[:, 4:36]).permute(2, 0, 1) / 127.5 - 1
    assert float((shown - target).square().mean()) == pytest.approx(face["inversion"]["l2"], rel=1e-4)
    edit = ["apply", "--network", network, "--direction", "up", "--alpha", "1", "--scorer", "none"]
    assert run(*edit, "--latents", out / "square.npz", "--outdir", tmp_path / "edit").code == 0


def test_invert_prints_figures(run, network, square, tmp_path):
    done = run("invert", square, "--aligned", "--network", network, "--out", tmp_path / "out", "--steps", "2")
    assert "loss       multiscale" in done.out
    assert "steps      2 in w+" in done.out
    assert "square.png  inversion" in done.out


def test_tuning_is_kept_and_used(run, network, square, tmp_path):
    out = tmp_path / "codes"
    invert = ["invert", square, "--aligned", "--network", network, "--out", out, "--steps", "3"]
    facts = run(*invert, "--tune", "--tune-steps", "20", "--json").facts
    assert names(out) == ["run.json", "square.npz", "strip.png", "tuned.safetensors"]
    before, after = (facts["photographs"][0][name]["l2"] for name in ("inversion", "tuned"))
    assert after < before
    edit = ["apply", "--network", network, "--direction", "up", "--alpha", "0", "--scorer", "none", "--quiet"]
    latents = ["--latents", out / "square.npz"]
    for name, more in (("base", []), ("tuned", ["--tuned", out / "tuned.safetensors"])):
        assert run(*edit, *latents, *more, "--outdir", tmp_path / name).code == 0
    base, tuned = (read(tmp_path / name / "square-0000.png").astype(float) for name in ("base", "tuned"))
    reference = read(square)[:, 4:36].astype(float)
    assert np.square(tuned - reference).mean() < np.square(base - reference).mean()


@pytest.mark.parametrize(("space", "shape"), [("w", (1, 8, 16)), ("s", (1, 80))])
def test_other_spaces(run, network, square, tmp_path, space, shape):
    invert = ["invert", square, "--aligned", "--network", network, "--space", space, *QUICK]
    assert run(*invert, "--out", tmp_path / "out").code == 0
    content = np.load(tmp_path / "out" / "square.npz")
    assert content["styles" if space == "s" else "w"].shape == shape
    assert str(content["space"]) == space


def test_an_encoder_is_a_start_or_all(run, network, square, tmp_path, monkeypatch):
    train = ["train", "encoder", "--data", square, "--network", network, "--steps", "2", "--batch", "1", "--quiet"]
    assert run(*train, "--outdir", tmp_path / "enc").code == 0
    encoder = ["--encoder", tmp_path / "enc" / "encoder.safetensors", "--aligned", "--network", network]
    fast = run("invert", square, *encoder, "--fast", "--json", "--out", tmp_path / "fast").facts
    assert fast["losses"] == []
    assert (
        len(run("invert", square, *encoder, "--steps", "2", "--json", "--out", tmp_path / "two").facts["losses"]) == 2
    )
    monkeypatch.setattr(inverting, "ENCODED_STEPS", 3)
    assert len(run("invert", square, *encoder, "--json", "--out", tmp_path / "all").facts["losses"]) == 3
    refused = run("invert", square, *encoder, "--lr", "0.1", "--out", tmp_path / "no")
    assert (refused.code, "--lr 0.1: from this encoder each step finds its own length" in refused.err) == (2, True)


def test_networks_judge_an_inversion_too(run, network, square, tmp_path, monkeypatch):
    measure = Likeness("cosine of mine", lambda a, b: 1 - (a - b).abs().mean(dim=(1, 2, 3)))
    monkeypatch.setattr(likeness, "load_likeness", lambda address: measure)
    monkeypatch.setattr(likeness, "load_distance", lambda trunk: Likeness(f"LPIPS {trunk}", lambda a, b: a[:, 0, 0, 0]))
    invert = ["invert", square, "--aligned", "--network", network, *QUICK, "--identity", "mine", "--lpips", "alex"]
    (face,) = run(*invert, "--tune", "--tune-steps", "3", "--json", "--out", tmp_path / "a").facts["photographs"]
    for name in ("inversion", "tuned"):
        assert {"identity, cosine of mine", "LPIPS alex"} <= face[name].keys()
        assert face[name]["identity, cosine of mine"] < 1
    assert face["tuned"] != face["inversion"]
    corner = torch.tensor(read(square)[0, 4, 0]) / 127.5 - 1
    assert face["tuned"]["LPIPS alex"] == pytest.approx(float(corner))
    invert.remove("--quiet")
    shown = run(*invert, "--out", tmp_path / "b").out
    assert "MS-SSIM  identity, cosine of mine  LPIPS alex  distance" in shown


def test_apply_edits_a_photograph_and_pastes_it_back(run, network, photo, tmp_path):
    edit = ["apply", "--photo", photo, "--network", network, "--direction", "up", "--alpha", "3", *QUICK]
    assert run(*edit, "--paste-back", "--outdir", tmp_path / "out").code == 0
    assert "photo_pasted.png" in names(tmp_path / "out")
    before, after = read(photo).astype(int), read(tmp_path / "out" / "photo_pasted.png").astype(int)
    assert after.shape == before.shape
    changed = np.abs(after - before).max(axis=2) > 0
    assert changed[300, 310]  # the nose
    assert not changed[:70].any()
    assert not changed[:, :140].any()
    assert 0.05 < changed.mean() < 0.3
    assert read(tmp_path / "out" / "strip.png").shape[1] > 4 * 256


def test_latents_of_photographs_are_taken_as_they_are(run, network, square, tmp_path):
    generator = le.load_generator(network)
    ws = le.sample(generator, [3])
    le.save_latents(tmp_path / "w.npz", ws)
    edit = ["apply", "--photo", square, "--aligned", "--latents", tmp_path / "w.npz", "--network", network]
    more = ["--direction", "up", "--alpha", "0", "--paste-back", "change", "--scorer", "none", "--quiet"]
    assert run(*edit, *more, "--outdir", tmp_path / "out").code == 0
    assert np.array_equal(read(tmp_path / "out" / "square.png"), np.array(le.to_pil(le.render(generator, ws)[0])))
    assert np.array_equal(read(tmp_path / "out" / "square_pasted.png"), read(square))  # alpha 0 changes nothing
    assert names(tmp_path / "out") == [
        "latents.npz",
        "run.json",
        "square.png",
        "square_pasted.png",
        "square_up+0.png",
        "strip.png",
    ]


def test_an_edit_ends_where_the_face_stops_being_like_itself(run, network, tmp_path):
    edit = ["apply", "--network", network, "--direction", "up", "--seeds", "1,2", "--scorer", "none"]
    far = [*edit, "--alpha", "8", "--keep-identity", "0.9", "--out", tmp_path / "out"]
    kept = run(*far, "--json").facts["kept"]
    assert [one["is_cut"] for one in kept] == [True, True]
    assert all(0 < one["alpha"] < 8 and one["likeness"] >= 0.9 for one in kept)
    assert kept[0]["alpha"] != kept[1]["alpha"]
    generator = le.load_generator(network)
    before, after = (
        le.render(generator, ws)
        for ws in (le.sample(generator, [1, 2], 0.7), le.load_latents(tmp_path / "out" / "latents.npz", generator))
    )
    likeness = load_likeness().measure(before, after)
    assert torch.allclose(likeness, torch.tensor([one["likeness"] for one in kept]), atol=1e-4)
    assert f"ends at alpha {kept[0]['alpha']:+.3g}, MS-SSIM {kept[0]['likeness']:.3f}" in run(*far).out
    near = run(*edit, "--alpha", "0.01", "--keep-identity", "0.9", "--out", tmp_path / "out")
    assert "goes all the way at alpha +0.01" in near.out


def test_an_edit_that_leaves_the_population_is_told(run, network, tmp_path):
    edit = ["apply", "--network", network, "--direction", "up", "--seeds", "1,2", "--scorer", "none"]
    far = run(*edit, "--alpha", "40", "--outdir", tmp_path / "far")
    assert far.err.count("left the population") == 1
    assert "seed0001 and 1 more" in far.err or "seed0002 and 1 more" in far.err
    near = run(*edit, "--alpha", "1", "--outdir", tmp_path / "near")
    assert "population" not in near.err
    assert json.loads((tmp_path / "near" / "run.json").read_text())["sigmas_out"][0] < 3


def test_the_strip_shows_the_pasted_photograph(run, network, square, tmp_path):
    edit = ["apply", "--photo", square, "--aligned", "--network", network, "--direction", "up", "--alpha", "1", *QUICK]
    run(*edit, "--outdir", tmp_path / "without")
    run(*edit, "--strip", "--outdir", tmp_path / "with")
    assert "square_pasted.png" in names(tmp_path / "with")
    widths = [read(tmp_path / name / "strip.png").shape[1] for name in ("without", "with")]
    assert widths[1] - widths[0] >= 256
