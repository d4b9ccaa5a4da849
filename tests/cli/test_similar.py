"""`latentedit similar`: a gallery of what is alike, or a table of what stands alone."""

import csv

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    folder, random = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for i in range(6):
        noise = random.integers(0, 60, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise + np.uint8(30 * i)).save(folder / f"{i}.png")
    return folder


def test_a_gallery_of_what_is_alike(run, photos, tmp_path):
    out = tmp_path / "out"
    words = ["similar", photos / "2.png", "--in", photos, "--num", 3, "--scorer", "patches", "--outdir", out, "--json"]
    found = run(*words, "--quiet").facts["found"]
    assert len(found) == 3
    assert str(photos / "2.png") not in [one["path"] for one in found]
    assert [one["similarity"] for one in found] == sorted((one["similarity"] for one in found), reverse=True)
    with Image.open(out / "similar.png") as gallery:
        assert gallery.width > 1000
    page = (out / "similar.html").read_text()
    assert page.count("<img") == 4
    for flag, sign in (("--most-memorable", -1), ("--least-memorable", 1)):
        scores = [one["score"] for one in run(*words, flag).facts["found"]]
        assert scores == sorted(scores, key=lambda score: sign * score)


def test_without_an_image_it_says_what_stands_alone(run, photos, tmp_path):
    done = run("similar", "--in", photos, "--scorer", "patches", "--outdir", tmp_path / "out", "--quiet", "--json")
    assert set(done.facts) == {"distinctiveness", "sparsity", "most_alone"}
    rows = list(csv.DictReader((tmp_path / "out" / "standing.csv").read_text().splitlines()))
    assert [row["image"] for row in rows] == [str(photos / f"{i}.png") for i in range(6)]
    assert sum(float(row["distinctiveness"]) for row in rows) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["{photos}/2.png", "--in", "{photos}/2.png"], "2.png is no folder"),
        (["{photos}/9.png", "--in", "{photos}"], "9.png does not exist"),
        (["{photos}/2.png", "--in", "{photos}", "--embedding", "look"], "'look'"),
        (["--in", "{photos}", "--most-memorable"], "--most-memorable and --least-memorable: name the image"),
        (["{photos}/2.png", "--in", "{photos}", "--scorer", "none"], "--scorer none"),
    ],
)
def test_a_mistake_is_one_line(words, expected, refuse, photos, tmp_path):
    words = [word.replace("{photos}", str(photos)) for word in words]
    refuse(["similar", *words, "--outdir", tmp_path / "out", "--quiet"], expected, tmp_path)
