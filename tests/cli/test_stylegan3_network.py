"""The command line on a StyleGAN3: nothing but the network's file is different."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from latentedit.addresses import load_direction
from latentedit.checkpoints import fingerprint, load_generator
from latentedit.direction import Direction
from latentedit.editing import edit
from latentedit.inversion.posing import pose
from latentedit.latents import load_latents, sample, to_styles
from latentedit.library import store_direction
from latentedit.pictures import to_pil
from latentedit.rendering import render, render_styles

NETWORK = Path(__file__).parents[1] / "data" / "stylegan3-t-64.pkl"


def test_apply(run, tmp_path):
    row = torch.nn.functional.normalize(torch.randn(1, 64, generator=torch.Generator().manual_seed(0)).double())
    direction = Direction("up", row.repeat(16, 1), tuple(range(16)), sigma=0.5)
    store_direction(direction, fingerprint(load_generator(NETWORK)))
    done = run("apply", "--network", NETWORK, "--direction", "up", "--alpha", 5, "--outdir", tmp_path / "o")
    assert done.code == 0
    before, after = (Image.open(tmp_path / "o" / name) for name in ("seed0001.png", "seed0001_up+5.png"))
    assert before.size == (64, 64)
    assert before.tobytes() != after.tobytes()


def test_channels_count_the_pose_as_layer_zero(run):
    shown = run("directions", "show", "0_2,3_1", "--network", NETWORK, "--json").facts
    assert list(shown["provenance"]["channels"].values()) == ["input", "L2_36_32"]
    generator = load_generator(NETWORK)
    styles = to_styles(generator, sample(generator, [1], 0.7))
    moved = edit(styles, load_direction("0_2", generator), 0.25)  # to the right, in image widths
    before, after = render_styles(generator, styles), render_styles(generator, moved)
    assert (after[..., 16:] - before[..., :-16]).norm() < 0.02 * (after - before).norm()


def test_inspect(run):
    facts = run("inspect", NETWORK, "--json").facts
    assert facts.items() >= {"architecture": "stylegan3", "num_ws": 16, "use_radial_filters": False}.items()


def test_a_photograph_stays_as_it_is_turned(run, tmp_path, monkeypatch):
    generator = load_generator(NETWORK)
    monkeypatch.setattr("latentedit.inversion.projection.choose_start", lambda *_: sample(generator, [3]))
    row = torch.nn.functional.normalize(torch.randn(1, 64, generator=torch.Generator().manual_seed(0)).double())
    store_direction(Direction("up", row.repeat(16, 1), tuple(range(16)), sigma=0.5), fingerprint(generator))
    Image.effect_noise((90, 80), 60).convert("RGB").save(tmp_path / "p.png")
    (tmp_path / "p.json").write_text("[[30, 30], [52, 38], [38, 46], [26, 54], [44, 60]]")
    photo = [tmp_path / "p.png", "--landmarks", tmp_path / "p.json", "--upright", "--steps", 1, "--quiet"]
    done = run("invert", *photo, "--network", NETWORK, "--json", "--outdir", tmp_path / "out")
    assert done.facts["photographs"][0]["alignment"]["right"][1] == 0
    edit = ["apply", "--network", NETWORK, "--direction", "up", "--alpha", 0, "--scorer", "none", "--quiet"]
    run(*edit, "--latents", tmp_path / "out" / "p.npz", "--outdir", tmp_path / "posed")
    ws = load_latents(tmp_path / "out" / "p.npz", generator)
    posed = pose(generator, torch.from_numpy(np.load(tmp_path / "out" / "p.npz")["transform"]))
    plain, turned = (to_pil(render(one, ws)[0]).tobytes() for one in (generator, posed))
    assert Image.open(tmp_path / "posed" / "p-0000.png").tobytes() == turned != plain
    assert "only a StyleGAN3 turns its input" in run("invert", *photo, "--outdir", tmp_path / "x").err
