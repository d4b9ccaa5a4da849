"""The command line on a StyleGAN3: nothing but the network's file is different."""

from pathlib import Path

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


def test_inspect(run):
    facts = run("inspect", NETWORK, "--json").facts
    assert facts.items() >= {"architecture": "stylegan3", "num_ws": 16, "use_radial_filters": False}.items()
