import os
from functools import partial

import pytest
import torch

from latentedit.benchmark import measuring
from latentedit.benchmark.measuring import Settings, measure_memory, measure_regime, measure_scene, measure_startup
from latentedit.benchmark.peer import load_peer
from latentedit.benchmark.scenes import RENDERERS, Scene
from latentedit.errors import InputError

CHECKOUT = """
import torch
from pkg_resources import parse_version

assert parse_version("2.10") > parse_version("2.9")


class SynthesisNetwork(torch.nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.settings = settings
        self.b4 = torch.nn.Module()
        self.b4.const = torch.nn.Parameter(torch.zeros(8, 4, 4))

    def load_state_dict(self, state):
        self.b4.const.data = state["b4.const"]

    def forward(self, ws, **flags):
        assert len(ws) == 1
        assert flags == {"noise_mode": "const", "force_fp32": True, "fused_modconv": True}
        return (self.b4.const.mean() + ws.mean()).reshape(1, 1, 1, 1)
"""


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like NVIDIA's."""
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "networks_stylegan2.py").write_text(CHECKOUT)
    return tmp_path


@pytest.fixture
def small_scene(tiny_generator, monkeypatch):
    monkeypatch.setattr(measuring, "make_generator", lambda resolution: tiny_generator)
    monkeypatch.setattr("latentedit.benchmark.scenes.YARDSTICK", (16, 16))
    return Scene("small", 16, num_faces=2)


def test_a_row_holds_rates_that_fit_together(small_scene):
    rows = measure_scene(small_scene, Settings(("small",), rounds=3))
    assert [row["path"] for row in rows] == list(RENDERERS)
    for row in rows:
        median = row["seconds"]["median"]
        assert row["seconds"]["q1"] <= median <= row["seconds"]["q3"]
        assert row["images_per_second"] == pytest.approx(2 / median)
        assert row["share"] == pytest.approx(row["gflops"] / row["yardstick_gflops"])
        assert row["speedup"] == pytest.approx(rows[0]["seconds"]["median"] / median)


def test_no_path_renders_a_face_that_it_has_just_rendered(small_scene, monkeypatch, tiny_generator):
    seen = []
    monkeypatch.setattr(measuring, "RENDERERS", {"reference": lambda generator, ws: seen.append(ws)})
    measure_scene(small_scene, Settings(("small",), rounds=5))
    assert len(seen) == 6
    faces = torch.cat(seen)[:, 0]
    assert torch.unique(faces, dim=0).shape == faces.shape


def test_nvidias_checkout_runs_beside_with_the_same_weights(checkout, tiny_generator):
    ws = Scene("two", 16, num_faces=2).make_ws(tiny_generator)
    done = measuring._run_apart(partial(_render_peer, checkout, tiny_generator, ws))
    expected = [tiny_generator.synthesis.b4.const.mean() + row.mean() for row in ws]
    assert torch.allclose(done.flatten(), torch.stack(expected), atol=1e-6)


def _render_peer(checkout, generator, ws):
    return load_peer(checkout, generator)(generator, ws)


def test_a_folder_that_is_no_checkout_is_refused(tmp_path, tiny_generator):
    with pytest.raises(InputError, match="is no checkout"):
        load_peer(tmp_path, tiny_generator)


def test_a_regime_that_is_not_available_gives_no_rows(monkeypatch):
    monkeypatch.setattr(measuring, "tune_allocator", lambda: False)
    assert measure_regime(Settings(("faces",)), "tuned") is None
    assert measure_regime(Settings(()), "stock") == []


def test_the_peak_of_memory_grows_with_the_images(monkeypatch):
    monkeypatch.setattr(measuring, "MEMORY", ("faces",))
    monkeypatch.setattr(measuring, "RENDERERS", {name: RENDERERS[name] for name in ("reference", "render")})
    peaks = measure_memory(Settings(()))["faces"]
    assert list(peaks) == ["reference", "render"]
    assert all(0 < peak < 2**30 for peak in peaks.values())


def test_start_up_times_whole_commands(monkeypatch):
    monkeypatch.setattr(measuring, "COMMANDS", {"help": ["--help"], "score": ["score", "--help"]})
    startup = measure_startup(Settings((), rounds=2))
    assert list(startup) == ["help", "score"]
    assert all(0.01 < seconds["median"] < 60 for seconds in startup.values())


def test_a_process_that_dies_is_said_to():
    with pytest.raises(InputError, match="want of memory"):
        measuring._run_apart(partial(os._exit, 9))
