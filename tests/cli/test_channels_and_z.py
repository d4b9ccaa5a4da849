"""Channels, z and the user's own library from the command line."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from latentedit.addresses import load_direction
from latentedit.checkpoints import fingerprint
from latentedit.discovery import calibrate
from latentedit.editing import edit
from latentedit.latents import sample, sample_z, save_latents, to_styles, to_ws
from latentedit.library import list_bundled, list_own, save_direction, store_direction, user_folder
from latentedit.pictures import to_pixels
from latentedit.rendering import render, render_styles
from latentedit.spaces import ZDirection

PLAIN = ["--scorer", "none", "--quiet"]


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_apply_moves_a_channel(run, network, scorable_generator, tmp_path):
    out, common = tmp_path / "out", ["--network", network, "--direction", "6_3"]
    done = run("apply", *common, "--alpha", 10, "--seeds", "0-1", "--outdir", out, "--scorer", "none")
    assert done.code == 0
    assert "direction  6_3, alpha +10 raw = +10 flat, style layers 6" in done.out
    styles = to_styles(scorable_generator, sample(scorable_generator, [0, 1], 0.7))
    edited = edit(styles, load_direction("6_3", scorable_generator), 10)
    with np.load(out / "latents.npz") as file:
        assert np.array_equal(file["styles"], edited.numpy())
    expected = render_styles(scorable_generator, torch.stack([styles, edited], dim=1).flatten(0, 1))
    for i, name in enumerate(("seed0000.png", "seed0000_6_3+10.png", "seed0001.png", "seed0001_6_3+10.png")):
        assert np.abs(pixels(out / name).astype(int) - to_pixels(expected[i])).max() <= 1
    back = ["--alpha", -10, "--latents", out / "latents.npz", "--outdir", tmp_path / "back", *PLAIN]
    assert run("apply", *common, *back).code == 0
    with np.load(tmp_path / "back" / "latents.npz") as file:
        assert np.allclose(file["styles"], styles.numpy(), atol=1e-5)


def test_sigma_of_a_channel_is_measured_where_it_counts(run, network, scorable_generator, tmp_path):
    common = ["--network", network, "--direction", "6_3", "--alpha", 2, "--unit", "sigma", "--outdir", tmp_path / "o"]
    facts = run("apply", *common, "--scorer", "none", "--json").facts
    sigma = calibrate(load_direction("6_3", scorable_generator), scorable_generator).sigma
    assert facts["alpha"] == pytest.approx({"raw": 2 * sigma, "sigma": 2, "flat": 2 * sigma})


def test_sweep_and_layers_of_several_channels(run, network, tmp_path):
    common = ["--network", network, "--start", -9, "--end", 9, "--steps", 3, *PLAIN]
    for name, more in (("all", []), ("6", ["--layers", "6"]), ("coarse", ["--layers", "coarse"])):
        done = run("sweep", *common, "--direction", "2_1,6_3", *more, "--outdir", tmp_path / name)
        assert (done.code, done.err) == (0, "")
        facts = json.loads((tmp_path / name / "run.json").read_text())
        assert facts["layers"] == {"all": "2,6", "6": "6", "coarse": "2"}[name]
    alone = run("sweep", *common, "--direction", "6_3", "--outdir", tmp_path / "alone")
    assert alone.code == 0
    assert np.array_equal(pixels(tmp_path / "6" / "sweep.png")[60:], pixels(tmp_path / "alone" / "sweep.png")[60:])
    assert not np.array_equal(pixels(tmp_path / "6" / "sweep.png"), pixels(tmp_path / "all" / "sweep.png"))
    assert "moves only layers 2,6" in run("sweep", *common, "--direction", "2_1,6_3", "--layers", "7").err


@pytest.fixture
def z_file(tmp_path):
    row = np.random.default_rng(0).standard_normal((1, 12))
    torch.save({"w": torch.from_numpy(row).float()}, tmp_path / "step.pth")
    np.save(tmp_path / "step.npy", row.astype(np.float32))
    return tmp_path / "step.pth"


@pytest.mark.parametrize("name", ["step.pth", "step.npy"])
def test_apply_moves_z_before_mapping_and_truncation(run, network, scorable_generator, z_file, tmp_path, name):
    path, out = z_file.with_name(name), tmp_path / "out"
    space = ["--space", "z"] if name == "step.npy" else []
    common = ["--network", network, "--direction", path, *space, "--alpha", 2, "--trunc", 0.5]
    done = run("apply", *common, "--seeds", "3-4", "--outdir", out, "--scorer", "none")
    assert "alpha +2 raw" in done.out
    assert "in z, before mapping" in done.out
    row = torch.from_numpy(np.load(z_file.with_name("step.npy")))
    ws = to_ws(scorable_generator, sample_z([3, 4], 12) + 2 * row, 0.5)
    with np.load(out / "latents.npz") as file:
        assert np.allclose(file["w"], ws.numpy(), atol=1e-6)
    assert (
        np.abs(pixels(out / "seed0003_step+2.png").astype(int) - to_pixels(render(scorable_generator, ws)[0])).max()
        <= 1
    )


def test_z_takes_no_ws_and_no_layers(run, network, scorable_generator, z_file, tmp_path):
    save_latents(tmp_path / "w.npz", sample(scorable_generator, [0]))
    common = ["apply", "--network", network, "--direction", z_file, "--alpha", 1, "--outdir", tmp_path / "o"]
    refused = run(*common, "--latents", tmp_path / "w.npz")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "they are ws, and direction step moves z: give --seeds" in refused.err
    assert "moves z, which has no layers: leave it out" in run(*common, "--layers", "0").err
    assert "is in z, not w" not in run(*common, "--space", "w").err
    assert not (tmp_path / "o").exists()


def test_a_direction_in_w_takes_no_styles(run, network, tmp_path):
    np.savez(tmp_path / "s.npz", styles=np.ones((1, 8)))
    refused = run("apply", "--network", network, "--direction", "up", "--alpha", 1, "--latents", tmp_path / "s.npz")
    assert "holds styles, which no ws give back" in refused.err


def test_z_is_imported_and_shown(run, network, z_file, scorable_generator):
    done = run("directions", "import", z_file, "--network", network, "--name", "deep", "--json")
    assert (done.facts["space"], done.facts["sigma"]) == ("z", pytest.approx(0.3, abs=0.2))
    shown = run("directions", "show", "deep", "--network", network, "--json").facts
    assert (shown["space"], shown["odd"]) == ("z", done.facts["odd"])
    assert "deep" in run("directions", "list", "--network", network).out
    assert load_direction("deep", scorable_generator).space == "z"
    assert run("inspect", z_file, "--json").facts["space"] == "z"


def test_a_channel_is_shown_kept_conditioned_and_compared(run, network, scorable_generator, home, tmp_path):
    shown = run("directions", "show", "6_3", "--network", network, "--json").facts
    assert (shown["space"], shown["channels"], shown["layers"]) == ("s", {"6_3": 1.0}, [6])
    assert shown["provenance"]["channels"] == {"6_3": "b16.conv1"}
    assert shown["sigma"] > 0
    kept = run("directions", "import", "6_3", "--network", network, "--name", "glow")
    assert (kept.code, kept.err) == (0, "")
    listed = run("directions", "list", "--network", network, "--json").facts
    assert {"name": "glow", "space": "s", "sigma": shown["sigma"]}.items() <= listed[0].items()
    both = run("directions", "import", "6_3,6_4", "--network", network)
    assert both.code == 0
    pure = run("condition", "6_3-6_4", "--without", "glow", "--name", "pure", "--network", network)
    assert pure.code == 0
    assert load_direction("pure", scorable_generator).channels == {"6_4": pytest.approx(1)}
    table = run("directions", "compare", "6_3", "glow", "pure", "--network", network, "--json").facts["cosines"]
    assert np.allclose(table, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-6)
    mixed = run("directions", "compare", "6_3", "up", "--network", network)
    assert (mixed.code, mixed.err.count("\n")) == (2, 1)
    assert "6_3 is in S, up is in W" in mixed.err
    path = user_folder(fingerprint(scorable_generator)) / "glow.safetensors"
    assert run("inspect", path, "--network", network, "--json").facts["odd"] == []
    copy = tmp_path / "copy.safetensors"
    save_direction(load_direction("glow", scorable_generator), copy)
    assert any("nearly the same as glow" in odd for odd in run("inspect", copy, "--json").facts["odd"])
    refused = run("directions", "export", "glow", tmp_path / "glow.npy", "--network", network)
    assert "is in s: no such file holds it" in refused.err
    for name in ("glow.safetensors", "glow.txt"):
        assert run("directions", "export", "glow", tmp_path / name, "--network", network).code == 0
        assert load_direction(tmp_path / name, scorable_generator).channels == {"6_3": 1}
    assert run("inspect", tmp_path / "glow.txt", "--json").facts["name"] == "6_3"


@pytest.mark.parametrize(
    ("shape", "layers", "other"),
    [((1, 16), "all, by the same row", "one face in W"),
     ((8, 16), "0-7, each by a row of its own", "one face of a generator of 8 layers, else 8 faces in W")],
)  # fmt: skip
def test_inspect_says_both_readings(run, tmp_path, shape, layers, other):
    np.save(tmp_path / "either.npy", np.ones(shape) / 4)
    facts = run("inspect", tmp_path / "either.npy", "--json").facts
    assert (facts["kind"], facts["layers"]) == ("direction", layers)
    assert facts["or"] == f"{other}, where --latents names it"


def test_inspect_knows_styleclips_matrix(run, tmp_path):
    np.save(tmp_path / "fs3.npy", np.ones((6048, 512), dtype=np.float32))
    assert "StyleCLIP's fs3" in run("inspect", tmp_path / "fs3.npy").out


@pytest.mark.parametrize("command", ["apply", "import"])
def test_a_bundled_direction_that_is_hidden_is_told(run, network, scorable_generator, tmp_path, monkeypatch, command):
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    owner = fingerprint(scorable_generator)
    (bundled / "index.json").write_text(json.dumps({"generator": owner}))
    save_direction(load_direction("up", scorable_generator), bundled / "up.safetensors")
    monkeypatch.setattr("latentedit.library._bundled_folders", lambda: [bundled])
    arguments = ["--direction", "up", "--alpha", 1, *PLAIN, "--outdir", tmp_path / "o", "--network", network]
    if command == "import":
        arguments = ["import", bundled / "up.safetensors", "--network", network, "--quiet"]
    done = run("directions" if command == "import" else command, *arguments)
    assert (done.code, done.err.count("\n")) == (0, 1)
    assert "direction up is your own, it hides the bundled one of that name" in done.err
    assert run("directions", "remove", "up", "--network", network).code == 0
    assert (list(list_own(owner)), list(list_bundled(owner))) == (["side"], ["up"])
    refused = run("directions", "remove", "up", "--network", network)
    assert (refused.code, "it comes with latentedit" in refused.err) == (2, True)
    assert "yours are side" in run("directions", "remove", "down", "--network", network).err
    assert run("directions", "show", "up", "--network", network).err == ""


def test_one_damaged_file_does_not_break_the_list(run, network, scorable_generator, boundary_file):
    folder = user_folder(fingerprint(scorable_generator))
    (folder / "bad.safetensors").write_bytes(b"nothing")
    listed = run("directions", "list", "--network", network)
    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()] == ["direction", "bad", "side", "up"]
    assert "damaged" in listed.out.splitlines()[1]
    facts = run("directions", "list", "--network", network, "--json").facts
    assert (facts[0]["name"], "bad.safetensors" in facts[0]["damaged"]) == ("bad", True)
    assert run("inspect", boundary_file, "--network", network).code == 0
    refused = run("apply", "--network", network, "--direction", "bad", "--alpha", 1)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert run("directions", "remove", "bad", "--network", network).code == 0
    assert not (folder / "bad.safetensors").exists()


@pytest.fixture
def boundary_file(tmp_path):
    np.save(tmp_path / "age_boundary.npy", np.eye(1, 16))
    return tmp_path / "age_boundary.npy"


@pytest.mark.parametrize(
    ("out", "options"),
    [("up.npz", []), ("pca.pt", ["--to", "ganspace"]), ("up.pkl", []), ("up.pth", []),
     ("rows.npy", ["--to", "stylegan2directions"])],
)  # fmt: skip
def test_every_format_that_is_written_is_read(run, network, scorable_generator, tmp_path, out, options):
    done = run("directions", "export", "up", tmp_path / out, "--network", network, *options)
    assert (done.code, done.err) == (0, "")
    space = "w" if out == "up.pth" else None
    again = load_direction(tmp_path / out, scorable_generator, space=space)
    assert torch.allclose(again.vector, load_direction("up", scorable_generator).vector, atol=1e-7)


def test_z_goes_out_and_comes_back(run, network, scorable_generator, tmp_path):
    direction = ZDirection("deep", torch.randn(1, 12), (0,), sigma=1.0)
    store_direction(direction, fingerprint(scorable_generator))
    for out in ("deep.npy", "deep.pth", "deep.safetensors"):
        assert run("directions", "export", "deep", tmp_path / out, "--network", network).code == 0
        space = "z" if out == "deep.npy" else None
        again = load_direction(tmp_path / out, scorable_generator, space=space)
        assert torch.equal(again.vector, replace(direction).vector)
    assert "is in z" in run("directions", "export", "deep", tmp_path / "deep.pt", "--network", network).err
