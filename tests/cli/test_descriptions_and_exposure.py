"""`caption`, `train autoencoder` and `expose`: from pictures to the words and errors that predictors read."""

import csv
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from latentedit.predictors import make_predictor, save_predictor
from latentedit.predictors.autoencoder import load_autoencoder
from latentedit.predictors.captions import read_captions


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Twenty pictures, the noisier the higher their score, which the second score turns round."""
    folder, random = tmp_path_factory.mktemp("rated"), np.random.default_rng(0)
    lines = ["path,score,other"]
    for row in range(20):
        pixels = random.normal(128, 4 * row, (32, 32, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{row}.png")
        lines.append(f"{row}.png,{row / 20},{1 - row / 20}")
    (folder / "scores.csv").write_text("\n".join(lines))
    return folder / "scores.csv"


def test_pictures_are_described_once(run, table, tmp_path):
    log, out = tmp_path / "asked", tmp_path / "captions.csv"
    program = tmp_path / "say.py"
    program.write_text(f"import sys; open({str(log)!r}, 'a').write('x'); print('A face: number', sys.argv[1][-5:])")
    words = ["caption", str(table.parent / "1?.png"), "--program", f"{sys.executable} {program}", "--out", out]
    assert run(*words, "--quiet").code == 0
    captions = read_captions(out)
    assert len(captions) == 10
    assert captions[str(table.parent / "13.png")] == "A face number 3.png"
    assert run(*words, "--quiet").code == 0
    assert log.read_text() == "x" * 10
    assert run(*words, "--prompt", "What?").code == 2
    assert run("caption", table.parent, "--out", out).code == 2


@pytest.fixture
def reader(tmp_path):
    """A predictor of descriptions alone, and the folder of its few words."""
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "round", "face"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    bert = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 7}
    settings = {"mode": "text", "text": bert, "num_tokens": 6}
    network = make_predictor("face_text", **settings).eval()
    network.join.weight.data.fill_(3.0)  # so that words tell
    save_predictor(tmp_path / "reader.safetensors", network, "face_text", settings, {})
    return tmp_path / "reader.safetensors"


def test_descriptions_are_scored_beside_their_pictures(run, table, reader, tmp_path):
    captions = tmp_path / "captions.csv"
    captions.write_text("image,caption\n1.png,a round face\n2.png,face\n3.png,a round face\n")
    pictures = [str(table.parent / f"{i}.png") for i in (1, 2, 3, 4)]
    words = ["score", *pictures, "--predictor", f"{reader},omi", "--captions", captions, "--tokenizer", reader.parent]
    result = run(*words, "--json")
    assert result.code == 0, result.err
    scores = [row.get(str(reader)) for row in result.facts]
    assert scores[0] == pytest.approx(scores[2], abs=1e-6)
    assert abs(scores[0] - scores[1]) > 1e-3
    assert "4.png has no caption in the table: add a row for it" in result.facts[3]["error"]
    assert run(*words, "--out", tmp_path / "scores.csv", "--quiet").code == 0
    with (tmp_path / "scores.csv").open() as file:
        assert [row["error"] == "" for row in csv.DictReader(file)] == [True, True, True, False]


@pytest.mark.parametrize(
    ("predictor", "captions", "message"),
    [("reader", [], "it reads descriptions, give --captions CSV"), ("omi", ["--captions", "x.csv"], "leave them out")],
)
def test_descriptions_go_with_predictors_that_read_them(run, table, reader, predictor, captions, message):
    name = reader if predictor == "reader" else predictor
    result = run("score", table.parent / "1.png", "--predictor", name, *captions)
    assert result.code == 2
    assert message in result.err


def test_an_autoencoder_is_trained_exposed_and_examined(run, table, tmp_path):
    own, out = tmp_path / "own.safetensors", tmp_path / "out"
    small = ["--input-size", 32, "--quiet"]
    found = run(
        "train", "autoencoder", "--data", table.parent, "--width", 2, "--epochs", 3, "--batch", 4, "--out", own, *small,
        "--json",
    )  # fmt: skip
    assert found.facts["losses"][2] < found.facts["losses"][0]
    assert torch.isfinite(load_autoencoder(own)(torch.rand(1, 3, 32, 32))).all()
    result = run("expose", "--data", table, "--autoencoder", own, "--targets", "other", "--outdir", out, *small)
    assert result.code == 0, result.err
    rows = {
        (row["measure"], row["score"]): row["spearman"] for row in json.loads((out / "correlations.json").read_text())
    }
    assert rows["mse", "score"] > 0.9, "noise can't be reconstructed"
    assert rows["mse", "other"] == pytest.approx(-rows["mse", "score"])
    images = list(csv.DictReader((out / "exposure.csv").read_text().splitlines()))
    assert [row["image"] for row in images] == [f"{i}.png" for i in range(20)]
    assert run("expose", "--data", table, "--autoencoder", table, "--outdir", tmp_path / "no").code == 2
    assert not (tmp_path / "no").exists()
