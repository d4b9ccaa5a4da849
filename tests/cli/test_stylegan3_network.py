"""The command line on a StyleGAN3: nothing but the network's file is different."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from latentedit.checkpoints import fingerprint, load_generator
from latentedit.direction import Direction
from latentedit.library import store_direction

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


def test_channels_count_the_pose_as_layer_zero(run, tmp_path):
    shown = run("directions", "show", "0_2,3_1", "--network", NETWORK, "--json").facts
    assert list(shown["provenance"]["channels"].values()) == ["input", "L2_36_32"]
    common = ["--network", NETWORK, "--direction", "0_2", "--alpha", 0.25, "--scorer", "none", "--outdir", tmp_path]
    assert run("apply", *common).code == 0
    before, after = (np.asarray(Image.open(tmp_path / f"seed0001{end}.png"), dtype=float) for end in ("", "_0_2+0.25"))
    moved = min(np.abs(after[:, 16:] - before[:, :-16]).mean(), np.abs(after[:, :-16] - before[:, 16:]).mean())
    assert moved < 0.3 * np.abs(after - before).mean()


def test_inspect(run):
    facts = run("inspect", NETWORK, "--json").facts
    assert facts.items() >= {"architecture": "stylegan3", "num_ws": 16, "use_radial_filters": False}.items()
