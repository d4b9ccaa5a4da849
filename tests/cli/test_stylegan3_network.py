"""The command line on a StyleGAN3: nothing but the network's file is different."""

from pathlib import Path

import torch
from PIL import Image

from latentedit.addresses import load_direction
from latentedit.checkpoints import fingerprint, load_generator
from latentedit.direction import Direction
from latentedit.editing import edit
from latentedit.latents import sample, to_styles
from latentedit.library import store_direction
from latentedit.rendering import render_styles

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
