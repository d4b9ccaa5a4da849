"""`latentedit train predictor`: from a table of pictures to a file that scores, and its figures."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from latentedit.agreement.figures import r2
from latentedit.training.predictor import train_predictor


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A hundred pictures without splits."""
    folder, random = tmp_path_factory.mktemp("rated"), np.random.default_rng(0)
    lines = ["path,score"]
    for row in range(100):
        score = random.uniform()
        pixels = random.normal(255 * score, 30, (16, 16, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{row}.png")
        lines.append(f"{row}.png,{score:.6f}")
    (folder / "scores.csv").write_text("\n".join(lines))
    return folder / "scores.csv"


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """A small CLIP of random weights, as transformers keeps it."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CLIPVisionConfig(**sizes, image_size=32, patch_size=16, projection_dim=8)
    folder = tmp_path_factory.mktemp("clip")
    transformers.CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def test_it_trains_judges_and_goes_on(run, table, features, tmp_path):
    words = ["train", "predictor", "--preset", "frozen_features", "--features", features, "--data", table]
    words += ["--batch", 16, "--device", "cpu", "--outdir", tmp_path / "out"]
    first = run(*words, "--lr", 0.01, "--epochs", 4, "--json")
    assert first.code == 0, first.err
    facts = first.facts
    assert facts["epochs"] == 4
    second = run(*words, "--lr", 0.01, "--epochs", 5, "--json").facts
    assert second["epochs"] == 5
    assert second["test"]["figures"]["R2"]["value"] > 0.3, "better than who always says the mean"
    assert run(*words, "--lr", 0.02, "--epochs", 5).code == 2
    out = tmp_path / "out"
    again = run(
        "evaluate-predictor", out / "predictor.safetensors", "--data", out / "splits.csv", "--split", "test",
        "--outdir", tmp_path / "card", "--resamples", 10, "--json",
    )  # fmt: skip
    assert again.code == 0, again.err
    for name, figure in again.facts["cards"][0]["figures"].items():
        assert figure["value"] == pytest.approx(second["test"]["figures"][name]["value"], abs=1e-4)


def test_it_cross_validates_and_goes_on(run, table, features, tmp_path, monkeypatch):
    words = ["train", "predictor", "--preset", "frozen_features", "--features", features, "--data", table, "--json"]
    words += ["--batch", 16, "--device", "cpu", "--lr", 0.01, "--folds", 2, "--repeats", 2, "--outdir", tmp_path]
    first = run(*words, "--epochs", 4)
    assert first.code == 0, first.err
    assert first.facts["figures"]["R2"]["value"] > 0.3, "better than who always says the mean"
    with (tmp_path / "left_out.csv").open() as file:
        rows = list(csv.DictReader(file))
    said = np.array([[float(row["repeat 1"]), float(row["repeat 2"])] for row in rows])
    scores = np.array([float(row["score"]) for row in rows])
    assert np.mean([r2(scores, column) for column in said.T]) == pytest.approx(first.facts["figures"]["R2"]["value"])
    assert sorted(path.name for path in tmp_path.glob("fold*")) == ["fold0", "fold1", "fold2", "fold3"]
    assert not list(tmp_path.glob("fold*/state.pt")), "no fold is left half-trained"
    (tmp_path / "fold2" / "predictions.json").unlink()
    trained = []
    monkeypatch.setattr("latentedit.training.folds.train_predictor", lambda *args: trained.append(args) or train(*args))
    train = train_predictor
    assert run(*words, "--epochs", 4).facts == first.facts
    assert len(trained) == 1, "the folds that were done are read"
    for change in (["--epochs", 5], ["--epochs", 4, "--crop", "whole"]):
        other = run(*words, *change)
        assert other.code == 2
        assert "was trained with other settings or data" in other.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--preset", "restrain", "--folds", "1"], "--folds 1: give 2 to 100, the number of images"),
        (["--preset", "restrian"], "did you mean restrain"),
        (["--preset", "face_text"], "it reads descriptions, give --captions CSV"),
        (["--preset", "frozen_features"], "it reads features, give --features NAME"),
        (["--preset", "face_only", "--input-size", "48"], "input size 48: give a multiple of 32 px"),
        (["--preset", "restrain", "--start", "x"], "--start x: give PART=FILE"),
        (
            ["--preset", "visual_memory", "--start", "vgg16=x.h5"],
            "vgg16=x.h5: the parts that may start from a file are",
        ),
        (["--preset", "restrain", "--captions", "x.csv"], "this predictor reads no descriptions"),
        (["--preset", "restrain", "--crop", "oval", "--detector", "x.onnx"], "x.onnx is no file"),
        (["--preset", "visual_memory", "--as-published"], "has no mistake to repeat"),
    ],
)
def test_mistakes_are_one_line(run, table, tmp_path, words, message):
    result = run("train", "predictor", "--data", table, "--outdir", tmp_path / "out", *words, "--quiet")
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
