import json

import pytest
import torch

import latentedit as le


@pytest.fixture(autouse=True)
def small_population(monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(50))


@pytest.fixture
def sample(run, network, tmp_path):
    """Run the command on the tiny generator into `pop`."""

    def run_sample(*arguments):
        return run("sample", "--network", network, "--out", tmp_path / "pop", "--quiet", *arguments)

    return run_sample


def test_sample_writes_what_python_gives(sample, scorable_generator, tmp_path):
    done = sample("--num", 3, "--first-seed", 5, "--trunc", 0.5, "--score", "omi,patches:happy", "--json", "--images")
    assert done.code == 0, done.err
    assert (done.facts["num"], done.facts["seeds"], done.facts["truncation_psi"]) == (3, "5-7", 0.5)
    population = le.load_population(tmp_path / "pop")
    assert len(population.attributes) == 35
    ws = le.sample(scorable_generator, range(5, 8), 0.5)
    assert torch.equal(population.w[:], ws[:, 0])
    for name in ("omi:memorable", "patches:happy"):
        scores = le.score(le.load_scorer(name), le.render(scorable_generator, ws), chunk=1)
        assert torch.equal(population.read_scores(name), scores)
    assert population.images[:].shape == (3, 32, 32, 3)


def test_the_same_again_goes_on_and_another_is_refused(sample, tmp_path):
    assert sample("--num", 4, "--score", "none").code == 0
    file = tmp_path / "pop" / "w-00000.npy"
    before = file.read_bytes()
    file.unlink()
    assert sample("--seeds", "0-3", "--score", "none").code == 0
    assert file.read_bytes() == before
    refused = sample("--num", 4, "--score", "none", "--trunc", 0.5)
    assert refused.code == 2
    assert refused.err.endswith("truncation_psi 0.7 instead of 0.5: name another folder, or ask for the same again\n")


def test_a_person_is_told_what_was_written(run, network, tmp_path):
    lines = run("sample", "--network", network, "--out", tmp_path / "pop", "--num", 2, "--score", "omi:age").out
    assert "faces      2, seeds 0-1, psi 0.7\nscores     omi:age\nwritten    w, scores in 1 shards in " in lines


def test_only_the_first_process_prints(sample, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert sample("--num", 1, "--score", "none", "--json").out == ""


def test_discover_takes_a_population(run, sample, network, tmp_path, monkeypatch):
    monkeypatch.setattr("latentedit.cli.discover._check_success", lambda direction: None)  # random weights tell little
    sample("--num", 40, "--score", "omi:happy")
    common = ("discover", "--network", network, "--name", "happy", "--json")
    on_files = (*common, "--latents", tmp_path / "pop", "--scorer", "omi:happy")
    for space in ("w", "z", "s"):
        stored = run(*on_files, "--space", space).facts["provenance"]
        fresh = run(*common, "--seeds", "0-39", "--scorer", "omi:happy", "--space", space).facts["provenance"]
        same = ("hold_out_spearman", "mean_score", "seeds", "truncation_psi", "scorer")
        assert {key: stored[key] for key in same} == {key: fresh[key] for key in same}
    (tmp_path / "own.csv").write_text("\n".join(["latent,score", *(f"{i},{i % 7}" for i in range(39, -1, -1))]))
    own = run(*common, "--latents", tmp_path / "pop", "--scores", tmp_path / "own.csv").facts
    assert own["provenance"]["mean_score"] == pytest.approx(sum(i % 7 for i in range(40)) / 40)
    for extra, message in (
        (("--scorer", "omi:age"), "holds no scores of 'omi:age': it has omi:happy"),
        (("--scorer", "omi:happy", "--space", "w+"), "the rows of a seed's ws are equal"),
        (("--scorer", "omi:happy", "--network", "faces"), "made by another generator"),
    ):
        refused = run(*common, "--latents", tmp_path / "pop", *extra)
        assert refused.code == 2
        assert message in refused.err


def test_inspect_says_what_a_folder_is(run, sample, tmp_path):
    sample("--num", 2, "--score", "omi:age")
    facts = run("inspect", tmp_path / "pop", "--json").facts
    assert (facts["kind"], facts["num"], facts["attributes"], facts["odd"]) == ("population", 2, ["omi:age"], [])
    (tmp_path / "pop" / "w-00000.npy").unlink()
    assert "1 of 1 shards are missing or damaged" in run("inspect", tmp_path / "pop").out
    (tmp_path / "pop" / "manifest.json").write_text(json.dumps([]))
    refused = run("inspect", tmp_path / "pop")
    assert (refused.code, refused.err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "one of the arguments --num --seeds is required"),
        (("--num", 3, "--seeds", "1"), "not allowed with argument"),
        (("--seeds", "1", "--first-seed", 2), "--first-seed 2 and --seeds"),
        (("--num", 9, "--first-seed", 2**32 - 3), "the largest seed is 4294967295"),
        (("--num", 3, "--score", "omni"), "no scorer is called 'omni'"),
        (("--num", 3, "--score", "omi,omi:age"), "omi:age would be scored 2 times"),
        (("--num", 3, "--trunc-cutoff", -1), "truncation cutoff -1"),
    ],
)
def test_a_mistake_gets_one_line(sample, arguments, message, tmp_path):
    result = sample(*arguments)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "pop").exists()
