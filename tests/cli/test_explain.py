"""`latentedit explain`: a folder with a page, tables and overlays, or one line that says what is wrong."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

import latentedit as le
from latentedit.explanation.regions import REGIONS


@pytest.fixture
def photos(tmp_path):
    folder, random = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for name in ("a", "c"):
        Image.fromarray(random.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    (folder / "b.png").write_bytes(b"no picture")
    return folder


def read_rows(folder):
    return list(csv.DictReader((folder / "explanation.csv").read_text().splitlines()))


def test_a_folder_is_explained_and_what_is_broken_is_named(run, photos, tmp_path):
    out = tmp_path / "out"
    done = run("explain", photos, "--scorer", "patches", "--methods", "hires_cam,grad_cam", "--outdir", out)
    assert done.code == 0
    assert "b.png can't be read" in done.out
    rows = read_rows(out)
    assert [(row["image"][-5:], row["map"]) for row in rows] == [
        (name, method) for name in ("a.png", "c.png") for method in ("hires_cam", "grad_cam")
    ]
    assert all((out / row["overlay"]).is_file() for row in rows)
    assert (out / "report.html").read_text().count("<img") == 6
    assert json.loads((out / "run.json").read_text())["images"] == 2


def test_an_edit_is_explained(run, network, tmp_path):
    out = tmp_path / "out"
    words = ["--network", network, "--direction", "up", "--alpha", "2", "--seeds", "3", "--scorer", "patches"]
    done = run("explain", *words, "--outdir", out, "--json", "--quiet")
    assert done.code == 0
    rows = done.facts["rows"]
    assert [row["map"] for row in rows] == ["pixels", "features", "attribution"]
    generator = le.load_generator(network)
    ws = le.sample(generator, [3], 0.7)
    moved = torch.cat([ws, le.edit(ws, le.load_direction("up", generator), alpha=2)])
    scores = le.load_scorer("patches")(le.render(generator, moved))
    assert [rows[2]["score_before"], rows[2]["score"]] == pytest.approx(scores.tolist(), abs=1e-3)
    change = rows[2]["score"] - rows[2]["score_before"]
    assert rows[2]["sum"] == pytest.approx(change, abs=max(0.01 * abs(change), 0.01) + 1e-3)
    assert rows[2]["error"] < 0.01
    assert sum(rows[0][name] for name in REGIONS) == pytest.approx(1)
    assert "up at +2" in (out / "report.html").read_text()


def test_the_baseline_and_the_overlay_are_those_asked_for(run, photos, tmp_path):
    for baseline in ("black", "mean"):
        words = ["--scorer", "patches", "--methods", "occlusion", "--baseline", baseline, "--overlay", "mask"]
        assert run("explain", photos / "a.png", *words, "--regions", "none", "--outdir", tmp_path / baseline).code == 0
    black, mean = (read_rows(tmp_path / baseline)[0] for baseline in ("black", "mean"))
    assert black["sum"] != mean["sum"]
    assert black["eyes"] == ""


def test_layers_are_listed(run):
    done = run("explain", "--scorer", "patches", "--list-layers")
    assert "features.regions" in done.out
    assert "512 x 10 x 10" in done.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["{photos}", "--methods", "grad_kam"], "'grad_kam': did you mean grad_cam"),
        (["{photos}", "--alpha", "3"], "--direction and --alpha"),
        (["--seeds", "1", "--trunc-cutoff", "4"], "--trunc-cutoff is about an edit"),
        (["{photos}", "--direction", "w_sq", "--alpha", "3"], "and --direction: an edit needs a face's latents"),
        (["{photos}", "--scorer", "none"], "--scorer none"),
        (
            ["{photos}", "--scorer", "patches", "--channels", "999"],
            "--channels 999: layer features.regions has",
        ),
        (["{photos}", "--channels", "1", "--features"], "--channels: neither --direction nor --features"),
        (["{photos}", "--hold", "happy"], "--hold happy is about correlations of features: add --features"),
        (["{photos}", "--features", "--methods", "hires_cam"], "2 images: give 10 or more"),
        (["{photos}", "--scorer", "patches", "--methods", "grad_cam", "--predictor-layer", "region"], "'region'"),
        (["{photos}/b.png"], "b.png can't be read"),
        ([], "give image files, --seeds or --latents"),
    ],
)
def test_a_mistake_is_one_line(words, expected, refuse, photos, tmp_path):
    words = [word.replace("{photos}", str(photos)) for word in words]
    refuse(["explain", *words, "--outdir", tmp_path / "out", "--quiet"], expected, tmp_path)


def test_features_are_correlated_with_the_score(run, tmp_path, monkeypatch):
    monkeypatch.setattr("latentedit.scoresheet.sources.RESOLUTION", 64)
    out, random = tmp_path / "out", np.random.default_rng(0)
    for i in range(12):
        (tmp_path / "photos" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        noise = random.integers(0, 40 + 15 * i, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "photos" / "ab"[i % 2] / f"{i}.png")
    words = ["--scorer", "patches", "--methods", "hires_cam", "--features", "--hold", "patches:happy"]
    assert run("explain", tmp_path / "photos", *words, "--outdir", out).code == 0
    rows = list(csv.DictReader((out / "correlations.csv").read_text().splitlines()))
    assert {"lightness", "texture contrast", "blur"} <= {row["feature"] for row in rows}
    assert {"score", "hires_cam in eyes"} <= {row["score"] for row in rows}
    assert rows[0]["partial"]
    assert rows[0]["within"]
    assert len((out / "features.csv").read_text().splitlines()) == 13
    page = (out / "report.html").read_text()
    assert "correlations of features, drawn" in page
    assert page.index("Features") < page.index("0.png")


def test_channels_are_shown_with_what_moves_them(run, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("latentedit.explanation.channels.OCTAVES", 1)
    monkeypatch.setattr("latentedit.cli.channels.SIDE", 32)
    out = tmp_path / "out"
    words = ["--scorer", "patches", "--channels", "3,300", "--outdir", out, "--quiet", "--json"]
    done = run("explain", photos, *words)
    assert done.facts["layer"] == "features.regions"
    assert [(row["channel"], row["rank"]) for row in done.facts["rows"]] == [(3, 0), (3, 1), (300, 0), (300, 1)]
    answers = [row["answer"] for row in done.facts["rows"]]
    assert answers[0] >= answers[1]
    with Image.open(out / "channels.png") as picture:
        assert picture.height > 384
    assert len((out / "channels.csv").read_text().splitlines()) == 5
