import json

import numpy as np
import pytest
from PIL import Image

COMMON = ["--fps", 5, "--seconds", 1, "--scorer", "none", "--easing", "linear"]


def frames_of(path):
    with Image.open(path) as film:
        for i in range(film.n_frames):
            film.seek(i)
            yield np.asarray(film.convert("RGB")).astype(int)


def difference(one, other):
    return np.abs(one - other).mean()


def test_sweep_films_the_way_of_its_alphas(run, network, tmp_path):
    words = ["--network", network, "--direction", "up", "--seeds", "0,1", "--start", -6, "--end", 6, "--out", tmp_path]
    done = run("sweep", *words, *COMMON, "--video", "film.webp", "--no-words", "--ping-pong")
    assert (done.code, done.err.count("rror")) == (0, 0)
    assert "sweep.png, film.webp, run.json" in done.out
    frames = list(frames_of(tmp_path / "film.webp"))
    assert len(frames) == 8
    assert frames[0].shape == (384, 768, 3)
    forth = [difference(frames[0], frame) for frame in frames[:5]]
    assert forth == sorted(forth)
    assert forth[4] > 1
    for there, back in zip(frames[1:4], frames[:4:-1], strict=True):
        assert difference(there, back) < 0.5
    assert "film.webp" in json.loads((tmp_path / "run.json").read_text())["files"]


def test_alpha_and_score_are_written_on_the_frames(run, network, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(
        "latentedit.video.Stage.draw", lambda self, *shot: said.append(shot) or Image.new("RGB", (8, 8))
    )
    words = ["--network", network, "--direction", "up", "--seeds", 5, "--start", -1, "--end", 1, "--unit", "sigma"]
    shot = ["--fps", 3, "--seconds", 1, "--easing", "linear", "--video", "f.gif", "--scorer", "omi:happy"]
    assert "hundredths" in run("sweep", *words, *shot, "--out", tmp_path / "a").err
    result = run("sweep", *words, *shot, "--fps", 4, "--steps", 2, "--json", "--quiet", "--out", tmp_path / "b")
    assert [shot[1] for shot in said] == [f"up, alpha {alpha} sigma" for alpha in ("-1.00", "-0.33", "+0.33", "+1.00")]
    assert [shot[2] for shot in said] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    scores = result.facts["scores"][0]
    assert said[0][3] == [("seed0005", f"happy {scores[0]:.1f}")]
    assert said[-1][3] == [("seed0005", f"happy {scores[1]:.1f}")]


def test_a_kept_path_is_walked_once(run, network, tmp_path, monkeypatch):
    walks = []
    monkeypatch.setattr("latentedit.cli.filming.AT_ONCE", 2)
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(200))
    from latentedit.holding import Holding

    sweep = Holding.sweep
    monkeypatch.setattr(Holding, "sweep", lambda self, *given: walks.append(len(given[1])) or sweep(self, *given))
    words = ["--network", network, "--direction", "up", "--seeds", 0, "--end", 0.5, "--start", 0, "--steps", 2]
    done = run("sweep", *words, *COMMON, "--keep", "happy", "--video", "f.webp", "--out", tmp_path)
    assert done.code == 0, done.err
    assert walks == [2, 5]


def test_interpolation_goes_from_seed_to_seed_and_home(run, network, tmp_path):
    words = ["interpolate", "--network", network, "--seeds", "1,5,9", *COMMON, "--no-words", "--out", tmp_path / "out"]
    done = run(*words, "--loop")
    assert done.code == 0, done.err
    assert "15 frames at 5 a second, 3.0 s" in done.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"interpolation.webp", "run.json"}
    frames = list(frames_of(tmp_path / "out" / "interpolation.webp"))
    assert len(frames) == 15
    home = [difference(frame, frames[0]) for frame in frames[10:]]
    assert home == sorted(home, reverse=True)
    assert home[-1] < 0.3 * home[0]
    assert run(*words, "--video", "f.webp", "--ping-pong").code == 0
    assert len(list(frames_of(tmp_path / "out" / "f.webp"))) == 20


def test_a_grid_is_dealt_its_seeds_in_turn(run, network, tmp_path):
    words = ["interpolate", "--network", network, *COMMON, "--no-words", "--seconds", 0.4]
    run(*words, "--seeds", "0-3", "--grid", "2x1", "--out", tmp_path / "both")
    run(*words, "--seeds", "1,3", "--out", tmp_path / "one")
    both, one = (list(frames_of(tmp_path / name / "interpolation.webp")) for name in ("both", "one"))
    for pair, single in zip(both, one, strict=True):
        assert difference(pair[:, 384:], single) < 1


def test_interpolation_takes_latents_in_w_plus(run, network, tmp_path, scorable_generator):
    run("apply", "--network", network, "--direction", "up", "--alpha", 1, "--seeds", "0-1", "--outdir", tmp_path / "a")
    words = ["--latents", tmp_path / "a" / "latents.npz", "--network", network, *COMMON, "--out", tmp_path / "b"]
    done = run("interpolate", *words)
    assert "latents-0000, latents-0001" in done.out


MISTAKES = {
    "a folder": (["sweep", "--video", "a/b.gif"], "--video a/b.gif: the film lies in --outdir"),
    "no video": (["sweep", "--fps", "5"], "--fps is about a film: name one with --video"),
    "no words without one": (["sweep", "--no-words"], "--no-words is about a film"),
    "no such kind": (["sweep", "--video", "a.avi"], "a.avi is no video"),
    "flicker": (["sweep", "--video", "a.gif", "--noise-mode", "random"], "the film would flicker"),
    "small grid": (["sweep", "--video", "a.gif", "--grid", "3x1"], "--grid 3x1: 4 faces don't fit"),
    "no grid": (["sweep", "--video", "a.gif", "--grid", "0x1"], "write columns and rows such as 4x2"),
    "ages": (["sweep", "--video", "a.gif", "--seconds", "1e9"], "25,000,000,000 frames, give 100,000 at most"),
    "one face": (["interpolate", "--seeds", "1"], "1 faces on a grid of 1x1"),
    "odd faces": (["interpolate", "--grid", "2x2", "--seeds", "0-8"], "9 faces on a grid of 2x2: give 4 for each"),
    "two ends": (["interpolate", "--loop", "--ping-pong"], "--loop and --ping-pong"),
}


@pytest.mark.parametrize(("words", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_film_that_cannot_be_is_refused(refuse, network, tmp_path, words, expected):
    direction = ["--direction", "up", "--scorer", "none"] if words[0] == "sweep" else ["--scorer", "none"]
    refuse([*words, *direction, "--network", network, "--out", tmp_path / "out"], expected, tmp_path)
