"""`latentedit train predictor`: from a table of pictures to a file that scores, and its figures."""

import numpy as np
import pytest
import torch
from PIL import Image


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
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
