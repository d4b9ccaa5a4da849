import json

import numpy as np
import pytest
import torch
from PIL import Image

import latentedit as le
from latentedit.addresses import load_direction
from latentedit.direction import Direction, cosine
from latentedit.discovery import measure_covariance
from latentedit.library import read_direction, save_direction
from latentedit.predictors.resnet import ResNet


def test_condition_stores_an_orthogonal_direction_under_its_name(run, network, scorable_generator):
    done = run("condition", "up", "--without", "side", "--name", "only_up", "--network", network)
    assert done.code == 0
    assert "kept" in done.out
    conditioned = load_direction("only_up", scorable_generator)
    assert abs(cosine(conditioned, load_direction("side", scorable_generator))) < 1e-6
    assert conditioned.sigma > 0
    assert conditioned.provenance["parents"] == ["up", "side"]
    applied = run(
        "apply", "--network", network, "--direction", "only_up", "--alpha", 1, "--outdir", network.parent / "o"
    )
    assert applied.code == 0


def test_condition_in_the_metric_of_the_covariance(run, network, scorable_generator, monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(200))
    words = ("condition", "up", "--without", "side", "--network", network, "--json")
    plain = run(*words, "--name", "plain").facts
    other = run(*words, "--name", "other", "--metric", "covariance").facts
    assert (plain["provenance"]["metric"], other["provenance"]["metric"]) == ("euclidean", "covariance")
    assert other["cosines_after"]["side"] == pytest.approx(0, abs=1e-9)
    one, side = (load_direction(name, scorable_generator) for name in ("other", "side"))
    assert abs(cosine(one, side)) > 1e-3
    assert cosine(one, side, measure_covariance(scorable_generator)) == pytest.approx(0, abs=1e-9)


def test_condition_turns_a_direction_until_ratings_stay_put(run, network, scorable_generator, monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(50))
    words = ("condition", "up", "--keep", "age", "--gain", 0.1, "--scorer", "omi:happy", "--seeds", "0-29")
    done = run(*words, "--network", network, "--name", "still")
    assert done.code == 0, done.err
    assert "up keeping age" in done.out
    assert "measured   omi:happy +0.1" in done.out
    found = load_direction("still", scorable_generator).provenance
    assert found["changes_in_sd"] == pytest.approx({"omi:happy": 0.1, "omi:age": 0}, abs=0.01)
    assert (found["seeds"], found["truncation_psi"]) == ("0-29", 0.7)


def test_condition_writes_the_file_that_is_named(run, network, tmp_path):
    done = run(
        "condition",
        "up",
        "--without",
        "side",
        "--name",
        "x",
        "--network",
        network,
        "--out",
        tmp_path / "x.safetensors",
        "--json",
    )
    assert read_direction(tmp_path / "x.safetensors").name == "x"
    assert done.facts["cosines_after"]["side"] == pytest.approx(0, abs=1e-12)
    assert done.facts["kept"] == pytest.approx(np.sqrt(1 - done.facts["cosines_before"]["side"] ** 2))


def test_score_rates_files_and_folders(run, tmp_path):
    for i in range(2):
        Image.effect_noise((80, 80), 40 + i).convert("RGB").save(tmp_path / f"{i}.png")
    scorers = "omi,omi:happy,patches:happy:matched"
    facts = run("score", tmp_path, tmp_path / "0.png", "--scorer", scorers, "--json").facts
    assert [row["image"] for row in facts] == [str(tmp_path / name) for name in ("0.png", "1.png", "0.png")]
    assert facts[0].keys() == {"image", "omi:memorable", "omi:happy", "patches:happy:matched", "intervals"}
    assert facts[0]["omi:happy"] == facts[2]["omi:happy"]
    low, high = facts[0]["intervals"]["omi:happy"]
    assert 0 <= low <= high <= 100
    header, row = run("score", tmp_path / "0.png").out.splitlines()
    assert header.split() == ["image", "omi:memorable"]
    low, high = facts[0]["intervals"]["omi:memorable"]
    assert row.endswith(f"{facts[0]['omi:memorable']:.1f} [{low:.0f}, {high:.0f}]")


def test_score_goes_on_where_it_was_interrupted_and_lists_what_it_skipped(run, tmp_path):
    for i in range(3):
        Image.effect_noise((40, 40), 40 + i).convert("RGB").save(tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_text("no picture")
    pattern, out = str(tmp_path / "*.png"), tmp_path / "scores.json"
    shown = run("score", pattern)
    assert shown.code == 0
    assert "skipped" in shown.out
    assert "1.png can't be read" in shown.out
    facts = run("score", pattern, "--predictor", "omi,patches", "--out", out, "--json").facts
    assert (facts["images"], facts["resumed_at"], len(facts["unreadable"])) == (3, 0, 1)
    rows = json.loads(out.read_text())
    lines = [json.dumps(line) for line in ({"scorers": ["omi:memorable", "patches:memorable"]}, rows[0])]
    out.with_name("scores.json.part").write_text("\n".join(lines) + "\n")
    assert run("score", pattern, "--predictor", "omi,patches", "--out", out, "--json").facts["resumed_at"] == 1
    assert json.loads(out.read_text()) == rows


def test_score_rates_seeds_and_latents(run, network, scorable_generator, tmp_path):
    rows = run("score", "--network", network, "--seeds", "3-4", "--trunc", 0.5, "--json").facts
    assert [row["image"] for row in rows] == ["seed0003", "seed0004"]
    ws = le.sample(scorable_generator, [3, 4], truncation_psi=0.5)
    expected = le.score(le.load_scorer("omi"), le.render(scorable_generator, ws))
    assert [row["omi:memorable"] for row in rows] == pytest.approx(expected.tolist())
    le.save_latents(tmp_path / "ws.npz", ws)
    again = run("score", "--network", network, "--latents", tmp_path / "ws.npz", "--json").facts
    assert [(row["image"], row["omi:memorable"]) for row in again] == [
        (f"ws-{i:04d}", row["omi:memorable"]) for i, row in enumerate(rows)
    ]


def test_train_assessor_says_at_once_what_it_cannot_train(run, tmp_path):
    done = run("train", "assessor", "--data", tmp_path, "--name", "omi2", "--out", tmp_path / "x.safetensors")
    assert done.code == 2
    assert "'omi2': did you mean omi" in done.err


def test_inspect_says_what_a_file_is(run, network, home, tmp_path):
    facts = run("inspect", network, "--json").facts
    assert (facts["kind"], facts["format"], facts["img_resolution"], facts["licence"]) == (
        "generator",
        "latentedit",
        32,
        "CC0 1.0",
    )
    direction = next(home.rglob("up.safetensors"))
    facts = run("inspect", direction, "--json").facts
    assert (facts["kind"], facts["name"], facts["space"], facts["shape"]) == ("direction", "up", "w", [8, 16])
    assert "fingerprint" in run("inspect", network).out


def test_directions_are_listed_and_shown(run, network):
    listed = run("directions", "list", "--network", network)
    assert [line.split()[0] for line in listed.out.splitlines()] == ["direction", "side", "up"]
    assert run("directions", "show", "up", "--network", network, "--json").facts["sigma"] == 0.5


def test_train_generator_writes_a_generator_that_renders(run, tmp_path):
    (tmp_path / "data").mkdir()
    Image.effect_noise((8, 8), 50).convert("RGB").save(tmp_path / "data" / "a.png")
    sizes = ["--resolution", 8, "--cbase", 32, "--cmax", 4, "--images", 4, "--batch", 4, "--precision", "fp32"]
    arguments = ["--data", tmp_path / "data", "--outdir", tmp_path / "run", *sizes]
    done = run("train", "generator", *arguments, "--licence", "CC0 1.0", "--json", "--quiet")
    facts = run("inspect", done.facts["file"], "--json").facts
    assert (facts["licence"], facts["channels"]) == ("CC0 1.0", [4, 4])


def test_a_small_generator_grows_and_is_measured(run, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    for i in range(8):
        Image.effect_noise((16, 16), 20 + 9 * i).convert("RGB").save(tmp_path / "data" / f"{i}.png")
    train = ["train", "generator", "--data", tmp_path / "data", "--cbase", 128, "--cmax", 8, "--batch", 4, "--quiet"]
    run(*train, "--resolution", 8, "--images", 4, "--outdir", tmp_path / "small")
    grow = ["--grow-from", tmp_path / "small" / "state.pt", "--augment", "ada", "--path-weight", 2]
    done = run(*train, "--resolution", 16, "--images", 8, "--outdir", tmp_path / "large", *grow, "--json")
    assert run("inspect", done.facts["file"], "--json").facts["channels"] == [8, 8, 8]
    monkeypatch.setattr(
        "latentedit.predictors.resmem.load_resmem_resnet", lambda: ResNet(50, 1).eval().requires_grad_(False)
    )
    measure = ["--network", done.facts["file"], "--samples", 9, "--input-size", 16, "--outdir", tmp_path / "measures"]
    shown = run("train", "measure", "--data", tmp_path / "data", *measure)
    assert "| Frechet distance |" in shown.out
    assert {"measures.json", "measures.md", "neighbours.png"} <= {
        file.name for file in (tmp_path / "measures").iterdir()
    }


@pytest.mark.parametrize(
    "command", ["apply", "sweep", "sample", "condition", "score", "inspect", "convert", "directions", "models", "train"]
)
def test_help_opens_with_examples_that_parse(run, command):
    from latentedit.cli.main import build_parser

    text = run(command, "--help").out
    examples = [line.split()[1:] for line in text.splitlines() if line.startswith(f"  latentedit {command}")]
    assert examples
    for example in examples:
        words = example[
            : next(
                (
                    i
                    for i, word in enumerate(example)
                    if word[:1].isupper() or word in ("rated", "the", "nothing", "find", "downloaded")
                ),
                None,
            )
        ]
        build_parser().parse_args(words)


def test_the_help_of_all_opens_with_examples(run):
    text = run("--help").out
    assert text.index("latentedit apply --direction") < text.index("options:")


def test_escape_codes_of_a_file_do_not_reach_the_terminal(run, tmp_path):
    row = torch.ones(8, 16)
    hostile = Direction("up", row, tuple(range(8)), sigma=1.0, provenance={"method": "\x1b[2J"})
    save_direction(hostile, tmp_path / "hostile.safetensors")
    assert "\x1b" not in run("inspect", tmp_path / "hostile.safetensors").out
