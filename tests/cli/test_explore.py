import shlex

import numpy as np
import pytest
from PIL import Image

from latentedit.checkpoints import load_checkpoint
from latentedit.explorer import Workshop
from latentedit.explorer.reproduction import Photo, reproduce
from latentedit.explorer.setting import Setting
from latentedit.inversion import ProjectionSettings, project
from latentedit.inversion.portraits import open_aligned, stack_crops
from latentedit.pictures import to_pil, to_pixels


@pytest.fixture
def workshop(network, monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(200))
    return Workshop(load_checkpoint(str(network)), str(network))


SETTINGS = {
    "untouched": Setting(seed=4),
    "two directions": Setting(seed=4, psi=0.5, alphas=(("up", 2.0), ("side", -1.3))),
    "kept": Setting(seed=4, alphas=(("up", 2.0), ("side", 1.0)), keep=("side",)),
    "layers": Setting(seed=4, alphas=(("up", 4.0),), layers="coarse", scorer="omi:happy"),
    "channels": Setting(seed=4, alphas=(("3_1", 5.0), ("up", -2.0))),
}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_the_commands_that_the_page_shows_make_its_picture(run, workshop, setting, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in reproduce(workshop, setting):
        done = run(*shlex.split(line)[1:])
        assert done.code == 0, done.err
    (edited,) = (path for path in (tmp_path / "out").glob("*_*.png"))
    shown = to_pixels(workshop.paint(workshop.move(setting))[0]).astype(int)
    with Image.open(edited) as picture:
        assert np.abs(np.asarray(picture) - shown).max() <= 1


def test_the_commands_of_a_photograph_invert_it_first(run, workshop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    to_pil(workshop.paint(workshop.move(Setting(seed=7)))[0]).save("my face.png")
    setting = Setting(from_photo=True, alphas=(("up", 2.0),), scorer="omi:happy")
    for line in reproduce(workshop, setting, Photo("my face.png", True, 3)):
        done = run(*shlex.split(line)[1:], "--quiet")
        assert done.code == 0, done.err
    target = stack_crops(open_aligned([tmp_path / "my face.png"]), workshop.config.img_resolution)
    ws = project(workshop.generator, target, ProjectionSettings(num_steps=3)).latents
    shown = to_pixels(workshop.paint(workshop.move(setting, ws))[0]).astype(int)
    (edited,) = (path for path in (tmp_path / "out").glob("*_up+2.png"))
    with Image.open(edited) as picture:
        assert np.abs(np.asarray(picture) - shown).max() <= 1


def test_the_page_is_served_until_it_is_interrupted(run, network, monkeypatch):
    served, opened = [], []

    def serve(server):
        served.append(server.url)
        raise KeyboardInterrupt

    monkeypatch.setattr("latentedit.explorer.PageServer.serve_forever", serve)
    monkeypatch.setattr("webbrowser.open", opened.append)
    done = run("explore", "--network", network, "--port", 0)
    assert (done.code, opened) == (0, served)
    assert f"page       {served[0]}" in done.out
    assert run("explore", "--network", network, "--port", 0, "--no-browser").code == 0
    assert len(opened) == 1


def test_a_port_that_is_taken_is_said(refuse, network, tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refuse(
            ["explore", "--network", network, "--port", port, "--no-browser"], f"--port {port} can't be had", tmp_path
        )
    refuse(["explore", "--port", "70000"], "'70000' is no port: give 0 to 65535", tmp_path)
