import numpy as np
import pytest
import torch

import latentedit as le
from latentedit.cli.discover import BY_SCORES
from latentedit.discovery import METHODS


@pytest.fixture(autouse=True)
def small_population(monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(50))


@pytest.fixture
def ratings(scorable_generator, tmp_path):
    """A user's own scores of 300 seeds, linear in w."""
    w = le.sample(scorable_generator, range(300), 0.7)[:, 0]
    truth = torch.randn(16, generator=torch.Generator().manual_seed(7))
    path = tmp_path / "ratings.csv"
    lines = [f"{seed},{score:.6f}" for seed, score in enumerate((w @ truth).tolist())]
    path.write_text("\n".join(["seed,score", *lines]) + "\n")
    return path


def test_every_method_of_the_registry_is_offered():
    assert set(BY_SCORES) == METHODS.keys()


def test_a_table_of_own_scores_becomes_a_direction(run, network, ratings):
    result = run("discover", "--network", network, "--scores", ratings, "--name", "mine", "--json")
    assert result.code == 0, result.err
    assert result.facts["kept"]
    assert set(result.facts["cosines"]) == {"up", "side"}
    assert result.facts["provenance"]["hold_out_accuracy"] > 0.8
    assert result.facts["provenance"]["truncation_psi"] == 0.7
    assert result.facts["provenance"]["seeds"] == "0-299"
    shown = run("discover", "--network", network, "--scores", ratings, "--name", "mine", "--method", "ridge")
    assert "hold-out   " in shown.out
    assert "kept       " in shown.out
    assert "mine" in run("directions", "list", "--network", network).out


def test_scores_beside_latents_and_rows_of_latents(run, network, ratings, scorable_generator, tmp_path):
    ws = le.sample(scorable_generator, range(300), 0.7)
    scores = np.loadtxt(ratings, delimiter=",", skiprows=1)[:, 1]
    np.savez(tmp_path / "both.npz", w=ws.numpy(), scores=scores)
    rows = list(reversed(range(300)))
    table = "\n".join(["latent,score", *(f"{row},{scores[row]}" for row in rows)])
    (tmp_path / "rows.csv").write_text(table)
    common = ("discover", "--network", network, "--name", "mine", "--json", "--latents", tmp_path / "both.npz")
    beside = run(*common).facts
    by_row = run(*common, "--scores", tmp_path / "rows.csv").facts
    assert beside["provenance"]["hold_out_accuracy"] > 0.8
    assert by_row["provenance"]["hold_out_spearman"] > 0.9
    one, other = (le.load_direction("mine", scorable_generator) for _ in range(2))
    assert le.cosine(one, other) == pytest.approx(1)


def test_what_no_score_tells_is_not_kept(run, network, ratings, tmp_path):
    scores = np.random.default_rng(0).normal(size=300)
    ratings.write_text("\n".join(["seed,score", *(f"{i},{s}" for i, s in enumerate(scores))]))
    result = run("discover", "--network", network, "--scores", ratings, "--name", "noise")
    assert result.code == 2
    assert "noise failed and was not kept" in result.err
    assert "noise" not in run("directions", "list", "--network", network).out


@pytest.mark.parametrize("space", ["z", "w+", "s"])
def test_a_scorer_in_every_space(run, network, space, monkeypatch):
    monkeypatch.setattr("latentedit.cli.discover._check_success", lambda direction: None)  # random weights tell little
    common = ("discover", "--network", network, "--seeds", "0-59", "--scorer", "omi:happy", "--name", "happy", "--json")
    found = run(*common, "--space", space, "--labels", "median", "--rendering", "oval", "--method", "mean").facts
    assert found["space"] == space
    assert found["provenance"]["rendering"] == "oval"
    assert found["provenance"]["labels"] == "median"
    assert found["provenance"]["scorer"] == "omi:happy"


@pytest.mark.parametrize("method", ["gradient", "learned"])
def test_a_direction_through_the_scorer(run, network, method):
    common = ("discover", "--network", network, "--seeds", "0-39", "--trunc", 1, "--scorer", "omi:happy", "--quiet")
    result = run(*common, "--method", method, "--name", "deep", "--steps", 20)
    assert result.code == 0, result.err
    assert "deep" in run("directions", "list", "--network", network).out


def test_a_gradient_leaves_the_ratings_that_it_shall_keep(run, network, monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(200))
    common = ("discover", "--network", network, "--seeds", "0-19", "--trunc", 1, "--scorer", "omi:happy", "--quiet")
    for name in ("joy", "age"):
        scorer = "omi:happy" if name == "joy" else "omi:age"
        assert run(*common, "--scorer", scorer, "--method", "gradient", "--name", name).code == 0
    kept = run(*common, "--method", "gradient", "--name", "calm_joy", "--keep", "age", "--json")
    cosines = run("directions", "compare", "calm_joy", "age", "joy", "--network", network, "--json").facts["cosines"]
    assert kept.code == 0, kept.err
    assert abs(cosines[0][1]) < 1e-4  # the gradient of a rating in float32, once alone and once beside another
    assert cosines[0][2] > 0.1


def test_a_nonlinear_edit_is_written_applied_and_evaluated(run, network, tmp_path):
    out, faces = tmp_path / "bent.safetensors", ("--seeds", "0-19", "--scorer", "omi:happy", "--keep", "age")
    done = run("discover", "--method", "nonlinear", "--network", network, "--steps", 12, *faces, "--out", out)
    assert done.code == 0, done.err
    assert "bent: a step of each face's own" in done.out
    assert le.load_nonlinear(out, le.load_generator(network)).direction.provenance["num_penalties"] == 1
    words = ("--network", network, "--seeds", "100-107", "--outdir", tmp_path / "out")
    applied = run("apply", "--direction", out, "--alpha", 2, *words, "--layers", "0-5", "--json")
    assert applied.facts["direction"]["name"] == "bent"
    assert applied.facts["faces"][0]["score_before"] != applied.facts["faces"][0]["score_after"]
    few = ("--population", "200-215", "--steps", 3, "--judges", "patches", "--target", "happy", "--json", "--quiet")
    judged = run("evaluate", out, "up", *words, *few)
    assert [card["edit"] for card in judged.facts["cards"]] == ["bent", "up"]
    for command in (("apply", "--direction", out, "--alpha", 2, *words), ("evaluate", out, *words)):
        refused = run(*command, "--keep", "age")
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert "bent.safetensors: ratings are held along a direction" in refused.err


def test_axes_are_kept_by_number(run, network, monkeypatch):
    few = (10, None, None, range(99), True)
    monkeypatch.setattr("latentedit.discovery.components.find_components.__defaults__", few)
    for method in ("pca", "sefa"):
        done = run("discover", "--network", network, "--unsupervised", method, "--num", 2, "--layers", "2-3", "--json")
        assert [fact["name"] for fact in done.facts] == ["comp0", "comp1"]
        assert done.facts[0]["provenance"]["method"] == method
    assert "comp1" in run("discover", "--network", network, "--unsupervised", "sefa", "--num", 2).out
    assert "comp1" in run("directions", "list", "--network", network).out


def test_channels_are_ranked(run, network, ratings):
    done = run("discover", "--network", network, "--method", "channels", "--scores", ratings, "--num", 3, "--json")
    assert len(done.facts) == 3
    assert abs(done.facts[0]["strength"]) >= abs(done.facts[2]["strength"])


def test_the_papers_table(run, network):
    done = run("discover", "--network", network, "--table", "--seeds", "0-199", "--json")
    cells = {(row["space"], row["labels"], row["rendering"]) for row in done.facts["rows"]}
    assert len(cells) == 18
    assert -1 <= done.facts["agreement"]["kendall"] <= 1
    printed = run("discover", "--network", network, "--table", "--seeds", "0-199").out
    assert printed.startswith("| space | threshold | rendering |")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--name", "a/b", "--seeds", "0-30"), "name 'a/b'"),
        (("--seeds", "0-30"), "--name: say what to call"),
        (("--name", "x", "--seeds", "0-3", "--scorer", "omi"), "at least 20 faces"),
        (("--name", "x", "--space", "z", "--layers", "2"), "z has no layers"),
        (("--name", "x", "--method", "learned", "--labels", "mean"), "leave out --scores, --labels"),
        (("--name", "x", "--method", "nonlinear", "--seeds", "0-30"), "--out None: name the file to write"),
        (("--method", "nonlinear", "--space", "w+", "--out", "x.safetensors"), "moves all layers of W"),
        (("--name", "x", "--method", "gradient", "--space", "z"), "moves all layers of W"),
        (("--name", "x", "--method", "ridge", "--keep", "age"), "ratings are kept by gradient, learned and nonlinear"),
        (("--unsupervised", "pca", "--space", "s"), "lie in W"),
        (("--name", "x", "--scores", "missing.csv"), "missing.csv: No such file"),
    ],
)
def test_a_mistake_gets_one_line(run, network, arguments, message):
    result = run("discover", "--network", network, "--quiet", *arguments)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--seeds", "0-9"), "says its seeds: leave --seeds out"),
        (("--rendering", "oval"), "taken as they are, leave it out"),
        (("--space", "w+"), "give --latents in W+"),
    ],
)
def test_what_own_scores_do_not_go_with(run, network, ratings, extra, message):
    result = run("discover", "--network", network, "--scores", ratings, "--name", "x", *extra)
    assert result.code == 2
    assert message in result.err
