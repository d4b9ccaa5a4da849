import csv
import json

import pytest
from PIL import Image

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


def test_json_holds_the_cards(run, network, tmp_path):
    result = run(
        "evaluate", "up", "--network", network, "--judges", "patches", *FACES, "--outdir", tmp_path, "--json", "--quiet"
    )
    assert result.facts["cards"][0]["edit"] == "up"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["up", "--steps", 4], "--steps 4: give an odd number"),
        (["up", "--judges", "omy"], "no scorer is called 'omy'"),
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
