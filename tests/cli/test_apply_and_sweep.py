import csv
import json
import re

import numpy as np
import pytest
from PIL import Image

from latentedit.latents import sample, save_latents
from latentedit.rendering import render


def test_apply_writes_faces_strip_latents_and_run(run, network, tmp_path):
    out = tmp_path / "out"
    done = run("apply", "--network", network, "--direction", "up", "--alpha", 3, "--seeds", "0-1,5", "--outdir", out)
    assert (done.code, done.err.count("Error")) == (0, 0)
    names = {path.name for path in out.iterdir()}
    faces = {f"seed000{i}{suffix}.png" for i in (0, 1, 5) for suffix in ("", "_up+3")}
    assert names == faces | {"strip.png", "latents.npz", "run.json"}
    assert re.search(
        r"seed0005   omi:memorable [\d.-]+ \[\d+, \d+\] -> [\d.-]+ \[\d+, \d+\] \([+-][\d.]+\)\n", done.out
    )
    assert "alpha +3 raw = +6 sigma = +8.49 flat" in done.out
    with Image.open(out / "seed0000.png") as face:
        assert face.size == (32, 32)


def test_run_json_holds_what_is_needed_to_repeat_it(run, network, scorable_generator, tmp_path):
    done = run("apply", "--network", network, "--direction", "up", "--alpha", 1, "--outdir", tmp_path / "o", "--json")
    facts = json.loads((tmp_path / "o" / "run.json").read_text())
    assert done.facts.items() <= facts.items()
    assert facts["network"]["fingerprint"] == facts["direction"]["generator"]
    assert facts["network"]["licence"] == "CC0 1.0"
    assert facts["alpha"] == pytest.approx({"raw": 1, "sigma": 2, "flat": 8**0.5})
    assert facts["faces"][0].keys() >= {"name", "before", "after", "score_before", "score_after"}
    low, high = facts["faces"][0]["interval_after"]
    assert low <= facts["faces"][0]["score_after"] <= high


def test_the_saved_latents_are_the_edited_ones(run, network, scorable_generator, tmp_path):
    save_latents(tmp_path / "in.npz", sample(scorable_generator, [3, 4]))
    common = ["--network", network, "--direction", "up", "--scorer", "none", "--quiet"]
    assert run("apply", *common, "--alpha", 2, "--latents", tmp_path / "in.npz", "--outdir", tmp_path / "a").code == 0
    back = ["--alpha", -2, "--latents", tmp_path / "a" / "latents.npz", "--outdir", tmp_path / "b"]
    assert run("apply", *common, *back).code == 0
    with np.load(tmp_path / "in.npz") as first, np.load(tmp_path / "b" / "latents.npz") as last:
        assert np.allclose(first["w"], last["w"], atol=1e-6)
    before, after = tmp_path / "a" / "in-0000.png", tmp_path / "b" / "latents-0000_up-2.png"
    assert np.abs(np.asarray(Image.open(before)).astype(int) - np.asarray(Image.open(after))).max() <= 1


def test_alpha_zero_changes_no_pixel(run, network, tmp_path):
    run("apply", "--network", network, "--direction", "up", "--alpha", 0, "--outdir", tmp_path / "o", "--quiet")
    one, other = (Image.open(tmp_path / "o" / name) for name in ("seed0001.png", "seed0001_up+0.png"))
    assert np.array_equal(np.asarray(one), np.asarray(other))


def test_sweep_writes_a_labelled_grid_and_its_scores(run, network, tmp_path):
    arguments = ["--seeds", "0-3", "--start", -6, "--end", 6, "--steps", 7, "--outdir", tmp_path / "o"]
    done = run("sweep", "--network", network, "--direction", "up", *arguments)
    assert done.code == 0
    assert {path.name for path in (tmp_path / "o").iterdir()} == {"sweep.png", "scores.csv", "run.json"}
    with (tmp_path / "o" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 28
    assert [float(row["alpha"]) for row in rows[:7]] == [-6, -4, -2, 0, 2, 4, 6]
    assert {row["face"] for row in rows} == {"seed0000", "seed0001", "seed0002", "seed0003"}
    with Image.open(tmp_path / "o" / "sweep.png") as grid:
        assert grid.width > 7 * 192
        assert grid.height > 4 * 192


def test_layers_and_units_reach_the_edit(run, network, tmp_path):
    common = ["apply", "--network", network, "--direction", "up", "--scorer", "none", "--quiet"]
    run(*common, "--alpha", 2, "--unit", "sigma", "--layers", "0-1", "--outdir", tmp_path / "a")
    run(*common, "--alpha", 1, "--unit", "raw", "--layers", "all", "--outdir", tmp_path / "b")
    with np.load(tmp_path / "a" / "latents.npz") as a, np.load(tmp_path / "b" / "latents.npz") as b:
        assert np.allclose(a["w"][:, :2], b["w"][:, :2])
        assert not np.allclose(a["w"][:, 2:], b["w"][:, 2:])


def test_quiet_prints_nothing_and_json_only_json(run, network, tmp_path):
    common = ["sweep", "--network", network, "--direction", "up", "--seeds", "0", "--steps", 3]
    quiet = run(*common, "--outdir", tmp_path / "a", "--quiet")
    assert (quiet.out, quiet.err) == ("", "")
    assert len(run(*common, "--outdir", tmp_path / "b", "--json").facts["scores"][0]) == 3


@pytest.mark.parametrize(("text", "alpha"), [("-1e1", -10), ("-1E-1", -0.1), ("-.5", -0.5), ("-2", -2), ("1e1", 10)])
def test_alpha_is_any_number(run, network, tmp_path, text, alpha):
    common = ["apply", "--network", network, "--direction", "up", "--scorer", "none", "--outdir", tmp_path / "o"]
    assert run(*common, "--alpha", text, "--json").facts["alpha"]["raw"] == alpha


def test_a_second_run_leaves_no_picture_of_the_first(run, network, tmp_path):
    common = ["--network", network, "--direction", "up", "--quiet", "--outdir", tmp_path / "o"]
    run("apply", *common, "--alpha", 3, "--seeds", "0-3")
    run("apply", *common, "--alpha", -1, "--seeds", "2")
    files = {"seed0002.png", "seed0002_up-1.png", "strip.png", "latents.npz", "run.json"}
    assert {path.name for path in (tmp_path / "o").iterdir()} == files
    run("sweep", *common, "--latents", tmp_path / "o" / "latents.npz")
    files = {"latents.npz", "sweep.png", "scores.csv", "run.json"}
    assert {path.name for path in (tmp_path / "o").iterdir()} == files


def test_with_random_noise_the_edit_alone_changes_a_face(run, network, tmp_path):
    common = [
        "--network",
        network,
        "--direction",
        "up",
        "--noise-mode",
        "random",
        "--quiet",
        "--outdir",
        tmp_path / "o",
    ]
    run("apply", *common, "--alpha", 0)
    one, other = (Image.open(tmp_path / "o" / name) for name in ("seed0001.png", "seed0001_up+0.png"))
    assert np.array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("command", [["apply", "--alpha", 1], ["sweep", "--steps", 3]])
def test_bf16_is_called_what_it_is(run, network, tmp_path, command, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "latentedit.render", lambda *given, **named: (asked.append(named["precision"]), render(*given, **named))[1]
    )
    given = [*command, "--network", network, "--direction", "up", "--outdir", tmp_path / "out", "--scorer", "none"]
    assert "preview " not in run(*given).out
    done = run(*given, "--precision", "bf16")
    assert asked == ["fp32", "bf16"]
    assert "preview    rendered in bf16: repeat in fp32 what you report" in done.out
    assert json.loads((tmp_path / "out" / "run.json").read_text())["flags"]["precision"] == "bf16"


@pytest.mark.parametrize("command", [["apply", "--alpha", 2], ["sweep", "--start", -1, "--end", 1, "--steps", 3]])
def test_kept_attributes_stay_put(run, network, tmp_path, command, monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(200))
    words = [command[0], "--seeds", 1, "--network", network, "--direction", "up", *command[1:], "--scorer", "omi:happy"]
    changes = []
    for kept in ([], ["--keep", "happy", "omi:age"]):
        result = run(*words, *kept, "--outdir", tmp_path / str(len(kept)), "--json", "--quiet")
        assert result.code == 0, result.err
        facts = result.facts
        scores = facts.get("scores") or [[face["score_before"], face["score_after"]] for face in facts["faces"]]
        changes.append(abs(scores[0][-1] - scores[0][0]))
    assert changes[1] < 0.3 * changes[0]  # what a random network's kinks leave


def test_what_is_held_is_said(run, network, tmp_path, monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(200))
    words = ["--network", network, "--direction", "up", "--keep", "happy", "--scorer", "none", "--outdir", tmp_path]
    assert "held       happy, face by face" in run("apply", "--alpha", 0.5, *words).out


def test_an_attribute_that_nobody_rates_cannot_be_kept(run, network, tmp_path):
    result = run(
        "apply", "--network", network, "--direction", "up", "--alpha", 1, "--keep", "smile", "--outdir", tmp_path / "o"
    )
    assert result.code == 2
    assert "omi does not rate 'smile'" in result.err
    assert not (tmp_path / "o").exists()


def test_a_wanted_score_is_reached_or_said_to_be_out_of_reach(run, network, tmp_path):
    words = ["apply", "--network", network, "--direction", "up", "--scorer", "omi:happy", "--seeds", "1-2", "--json"]
    plain = run(*words, "--alpha", 2, "--outdir", tmp_path / "plain", "--quiet").facts
    wanted = (plain["faces"][0]["score_before"] + plain["faces"][0]["score_after"]) / 2
    facts = run(*words, "--to", wanted, "--within", 2, "--outdir", tmp_path / "to", "--quiet").facts
    assert facts["goals"][0]["is_reached"]
    assert facts["faces"][0]["score_after"] == pytest.approx(wanted, abs=0.5)
    assert len(set(facts["alphas"])) == 2
    by = ("--alpha", wanted - plain["faces"][0]["score_before"], "--unit", "score", "--within", 2)
    assert run(*words, *by, "--outdir", tmp_path / "by", "--quiet").facts["alphas"][0] == facts["alphas"][0]
    missed = run(*words, "--to", 1000, "--within", 1, "--outdir", tmp_path / "far", "--quiet").facts
    assert [goal["stopped_by"] for goal in missed["goals"]] == ["bound"] * 2
    tight = run(
        *words, "--alpha", 20, "--unit", "score", "--budget", "happy=.001", "--outdir", tmp_path / "b", "--quiet"
    ).facts
    assert [goal["stopped_by"] for goal in tight["goals"]] == ["omi:happy"] * 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--alpha", 1, "--to", 3], "not allowed with argument"),
        (["--alpha", 1, "--budget", "age=.2"], "--budget is for a wanted score"),
        (["--to", 1, "--budget", "age"], "give attributes and standard deviations"),
        (["--to", 1, "--budget", "age=-1"], "not above zero"),
        (["--to", 1, "--unit", "raw"], "leave --unit out"),
        (["--to", 1, "--scorer", "none"], "needs a scorer"),
    ],
)
def test_a_wanted_score_that_makes_no_sense_is_refused(run, network, tmp_path, words, message):
    result = run("apply", "--network", network, "--direction", "up", *words, "--outdir", tmp_path / "o")
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "o").exists()
