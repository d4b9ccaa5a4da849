import csv
import json

import pytest
import torch
from PIL import Image

from latentedit.direction import Direction
from latentedit.library import save_direction

FACES = ("--seeds", "100-107", "--population", "200-215", "--steps", 3, "--reach", 1, "--target", "happy")


def test_cards_are_printed_and_written(run, network, tmp_path):
    out = tmp_path / "out"
    result = run(
        "evaluate", "up", "side", "--network", network, "--judges", "patches", "--level", 0.01, *FACES, "--outdir", out
    )
    assert result.code == 0, result.err
    assert "happy by patches" in result.out
    assert "max dependency" in result.out
    run_json = json.loads((out / "run.json").read_text())
    assert {*run_json["files"]} == {
        "cards.json", "cards.md", "curves.png", "measures.csv", "rescoring.csv", "rescoring.png"
    }  # fmt: skip
    rows = list(csv.DictReader((out / "rescoring.csv").read_text().splitlines()))
    assert len(rows) == 2 * 34
    assert {row["edit"] for row in rows} == {"up", "side"}
    measures = {
        row["measure"]: row
        for row in csv.DictReader((out / "measures.csv").read_text().splitlines())
        if row["edit"] == "up"
    }
    assert float(measures["alpha at 0.01 SD"]["value"]) > 0
    with Image.open(out / "curves.png") as picture:
        assert picture.width > 1000


def test_json_holds_the_cards_of_directions_and_of_paths_that_hold_ratings(run, network, tmp_path, monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(200))
    words = ["evaluate", "up", "--network", network, "--judges", "patches", *FACES, "--keep", "patches:age"]
    result = run(*words, "--outdir", tmp_path, "--json", "--quiet")
    assert [card["edit"] for card in result.facts["cards"]] == ["up", "up holding age"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["up", "--steps", 4], "--steps 4: give an odd number"),
        (["up", "--judges", "omy"], "no scorer is called 'omy'"),
        (["up", "--identity", "arcface"], "no identity network is called 'arcface'"),
        (["up", "--identity", "vgg16=none.pth"], "none.pth: No such file"),
        (["up", "--lpips", "deep"], "invalid choice: 'deep'"),
        (["up", "--target", "joy"], "patches does not rate 'joy'"),
        (["down"], "direction 'down' is not known"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(run, network, tmp_path, words, message):
    out = tmp_path / "out"
    result = run("evaluate", *words, "--network", network, "--outdir", out, "--seeds", "100-107", "--quiet")
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not out.exists()


def test_layers_are_printed_drawn_and_written(run, network, tmp_path):
    two_layers = Direction("pair", torch.eye(2, 16), (1, 4), sigma=1.0)
    save_direction(two_layers, tmp_path / "pair.safetensors")
    words = [
        "evaluate",
        tmp_path / "pair.safetensors",
        "--by-layer",
        "--network",
        network,
        "--judges",
        "patches",
        *FACES,
    ]
    result = run(*words, "--outdir", tmp_path / "out")
    assert result.code == 0, result.err
    assert "SD at equal distance" in result.out
    rows = list(csv.DictReader((tmp_path / "out" / "layers.csv").read_text().splitlines()))
    assert [row["part"] for row in rows[:4]] == ["only", "without", "up to", "from"]
    assert len(rows) == 4 * 2
    assert (tmp_path / "out" / "layers.png").exists()
    two = run("evaluate", "side", *words[1:], "--outdir", tmp_path / "two")
    assert (two.code, "--by-layer measures one direction" in two.err) == (2, True)


def test_consistency_is_measured_by_projection_or_an_encoder(run, network, tmp_path, monkeypatch):
    monkeypatch.setattr("latentedit.evaluation.consistency.STEPS", 2)
    evaluate = ("evaluate", "up", "side", "--network", network, "--seeds", "1-3", "--outdir", tmp_path / "out")
    done = run(*evaluate, "--consistency", "--quiet", "--json")
    assert [one["name"] for one in done.facts["consistency"]] == ["up", "side"]
    rows = list(csv.DictReader((tmp_path / "out" / "consistency.csv").read_text().splitlines()))
    assert float(rows[0]["undone"]) == pytest.approx(done.facts["consistency"][0]["undone"]["value"], rel=1e-4)
    (tmp_path / "encoder.pt").write_text("no encoder")
    refused = run(*evaluate, "--consistency", tmp_path / "encoder.pt")
    assert "encoder.pt: holds no encoder" in refused.err
    assert run(*evaluate, "--consistency", "--by-layer").err.count("leave --keep and --by-layer out") == 1
