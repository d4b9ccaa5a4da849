"""`latentedit datasets` and `latentedit evaluate-predictor`: what they print, write and refuse."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from latentedit.predictors import make_predictor, save_predictor

SETTINGS = {"width": 2, "input_size": 32}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Forty pictures, the brighter the higher their score, in two categories and two splits."""
    folder, random = tmp_path_factory.mktemp("rated"), np.random.default_rng(0)
    lines, others = ["path,score,split,category"], ["image,guess,copy"]
    for row in range(40):
        score = random.uniform()
        pixels = random.normal(255 * score, 40, (16, 16, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{row}.png")
        lines.append(f"{row}.png,{score:.6f},{'test' if row < 20 else 'train'},{'cat' if row % 2 else 'dog'}")
        others.append(f"elsewhere/{row}.png,{random.uniform():.3f},{score:.6f}")
    (folder / "scores.csv").write_text("\n".join(lines))
    (folder / "others").mkdir()
    (folder / "others" / "others.csv").write_text("\n".join(others))
    torch.manual_seed(0)
    network = make_predictor("resnet50", **SETTINGS)
    save_predictor(folder / "mine.safetensors", network, "resnet50", SETTINGS, {})
    return folder


def test_a_data_set_is_checked(run, data):
    facts = run("datasets", data / "scores.csv", "--json").facts
    assert facts["images"] == 40
    assert facts["splits"] == {"test": 20, "train": 20}
    assert not any(facts[fault] for fault in ("missing", "leaks", "duplicates", "conflicts", "out_of_range"))
    assert "research only" in run("datasets").out


def test_predictors_are_laid_side_by_side(run, data, tmp_path):
    result = run(
        "evaluate-predictor", data / "mine.safetensors", "--data", data / "scores.csv", "--outdir", tmp_path / "out",
        "--predictions", data / "others" / "others.csv", "--quiet", "--resamples", 100,
    )  # fmt: skip
    assert result.code == 0, result.err
    facts = json.loads((tmp_path / "out" / "figures.json").read_text())
    mine, guess, copy = facts["cards"]
    assert copy["figures"]["Spearman"]["value"] == pytest.approx(1)
    assert abs(guess["figures"]["Spearman"]["value"]) < 0.5
    assert set(copy["categories"]) == {"cat", "dog"}
    assert [pair["second"] for pair in facts["comparisons"]] == ["guess", "copy", "copy"]
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 40
    assert float(rows[7]["copy"]) == pytest.approx(float(rows[7]["score"]))
    assert mine["predictor"].endswith("mine.safetensors")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"agreement.png", "spearman.png", "table.md", "figures.csv", "run.json"} <= written


def test_one_split_is_used(run, data, tmp_path):
    words = ["evaluate-predictor", "--data", data / "scores.csv", "--predictions", data / "others" / "others.csv"]
    result = run(*words, "--split", "test", "--outdir", tmp_path / "out", "--resamples", 20)
    assert "data set   scores, 20 images, splits: test 20" in result.out
    assert run(*words, "--split", "dev", "--outdir", tmp_path / "no").code == 2
    assert not (tmp_path / "no").exists()


def test_people_agree_as_far_as_their_responses_say(run, data, tmp_path):
    text = ["image,rater,response", *(f"{i}.png,{rater},{i * (rater + 1)}" for i in range(9) for rater in range(4))]
    (tmp_path / "single.csv").write_text("\n".join(text))
    result = run(
        "evaluate-predictor", "--data", data / "scores.csv", "--predictions", data / "others" / "others.csv",
        "--responses", tmp_path / "single.csv", "--outdir", tmp_path / "out", "--resamples", 20,
    )  # fmt: skip
    assert "all 4 raters +1.000" in result.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to evaluate"),
        (["resmen"], "'resmen'"),
        (["{data}/mine.safetensors", "--crop", "box", "--detector", "x.onnx"], "x.onnx is no file"),
        (["--predictions", "{data}/scores.csv", "--layout", "lamem"], "holds no lamem"),
        (["--predictions", "{data}/few.csv"], "lacks 39 images of scores, the first is '0.png'"),
    ],
)
def test_mistakes_are_one_line(run, data, tmp_path, words, message):
    (data / "few.csv").write_text("image,x\n3.png,1\n")
    words = [word.format(data=data) for word in words]
    result = run("evaluate-predictor", *words, "--data", data / "scores.csv", "--outdir", tmp_path / "out", "--quiet")
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
