"""Every mistake gets one line that repeats the input, exit code 2, and leaves nothing half-written."""

import errno

import numpy as np
import pytest
import torch
from PIL import Image

from latentedit.direction import Direction
from latentedit.library import save_direction

APPLY = ["apply", "--network", "{network}", "--direction", "up", "--alpha", "1", "--outdir", "{tmp}/out"]
SWEEP = ["sweep", "--network", "{network}", "--direction", "up", "--outdir", "{tmp}/out"]
MISTAKES = {
    "unknown direction": ([*APPLY, "--direction", "upp"], "'upp' is not known: did you mean up?"),
    "direction of another generator": (
        [*APPLY, "--direction", "{tmp}/foreign.safetensors"],
        "belongs to generator cdcdcd",
    ),
    "wrong width": ([*APPLY, "--direction", "{tmp}/wide.npy"], "width 512"),
    "absent direction file": ([*APPLY, "--direction", "{tmp}/no.npy"], "no.npy"),
    "reversed seeds": ([*APPLY, "--seeds", "3-1"], "'3-1'"),
    "empty seeds": ([*APPLY, "--seeds", ""], "''"),
    "layers out of range": ([*APPLY, "--layers", "4-9"], "layers '4-9': this generator has layers 0-7"),
    "layers that are none": ([*APPLY, "--layers", "fine"], "fine starts at layer 8"),
    "alpha nan": ([*APPLY, "--alpha", "nan"], "'nan' is not a finite number"),
    "alpha infinite": ([*APPLY, "--alpha=-inf"], "'-inf' is not a finite number"),
    "alpha minus infinite": ([*APPLY, "--alpha", "-inf"], "'-inf' is not a finite number"),
    "alpha nearly a number": ([*APPLY, "--alpha", "-1e"], "'-1e' is not a number"),
    "alpha no number": ([*APPLY, "--alpha", "much"], "'much' is not a number"),
    "no alpha": (["apply", "--direction", "up"], "--alpha"),
    "unknown scorer": ([*APPLY, "--scorer", "oni"], "'oni'"),
    "unknown attribute": ([*APPLY, "--scorer", "omi:hapy"], "happy"),
    "unknown network": ([*APPLY, "--network", "face"], "'face'"),
    "network that is a folder": ([*APPLY, "--network", "{tmp}"], "{tmp}"),
    "network that is text": ([*APPLY, "--network", "{tmp}/text.pkl"], "text.pkl"),
    "network that is a web page": ([*APPLY, "--network", "{tmp}/page.pkl"], "web page"),
    "network that is cut short": ([*APPLY, "--network", "{tmp}/cut.safetensors"], "cut.safetensors"),
    "network that is hostile": ([*APPLY, "--network", "{tmp}/hostile.pkl"], "posix.system"),
    "network that is a direction": ([*APPLY, "--network", "{tmp}/foreign.safetensors"], "foreign.safetensors"),
    "absent latents": ([*APPLY, "--latents", "{tmp}/no.npz"], "no.npz"),
    "latents of another width": ([*APPLY, "--latents", "{tmp}/wide.npz"], "[1, 18, 512]"),
    "seeds and latents": ([*APPLY, "--seeds", "1", "--latents", "{tmp}/wide.npz"], "give one of them"),
    "class without need": ([*APPLY, "--class", "1"], "not conditional"),
    "no GPU": ([*APPLY, "--device", "cuda"], "no GPU"),
    "unknown device": ([*APPLY, "--device", "tpu"], "'tpu'"),
    "start after end": ([*SWEEP, "--start", "3", "--end", "-3"], "--start 3 --end -3"),
    "one step": ([*SWEEP, "--steps", "1"], "--steps 1"),
    "negative cutoff": ([*SWEEP, "--trunc-cutoff", "-1"], "--trunc-cutoff -1"),
    "outdir is a file": ([*SWEEP, "--outdir", "{tmp}/text.pkl"], "text.pkl"),
    "nothing left": (["condition", "up", "--without", "up", "--name", "x", "--network", "{network}"], "up without up"),
    "no condition": (["condition", "up", "--name", "x", "--network", "{network}"], "condition up: name directions"),
    "bad name": (["condition", "up", "--without", "side", "--name", "../x", "--network", "{network}"], "'../x'"),
    "no image": (["score", "{tmp}/text.pkl"], "text.pkl"),
    "empty folder": (["score", "{tmp}/empty"], "holds no image"),
    "absent image": (["score", "{tmp}/no.png"], "no.png"),
    "half an image": (["score", "{tmp}/half.jpg"], "half.jpg"),
    "nothing to score": (["score"], "nothing: give image files, --seeds or --latents"),
    "images and seeds": (["score", "{tmp}/whole.jpg", "--seeds", "1"], "whole.jpg and --seeds: give"),
    "scores of an unknown kind": (["score", "{tmp}/whole.jpg", "--out", "{tmp}/x.txt"], "x.txt: give a name that ends"),
    "pattern of nothing": (["score", "{tmp}/*.gif"], "*.gif' matches no file"),
    "scorer none": (["score", "{tmp}/whole.jpg", "--scorer", "none"], "none"),
    "scorer empty": (["score", "{tmp}/whole.jpg", "--scorer", "omi,"], "no scorer is called ''"),
    "inspect nothing": (["inspect", "{tmp}/no.pkl"], "no.pkl"),
    "unknown command": (["aply"], "aply"),
    "no command": ([], "COMMAND"),
    "training without images": (["train", "generator", "--data", "{tmp}/empty", "--outdir", "{tmp}/out"], "no image"),
    "alpha beyond all numbers": ([*APPLY, "--alpha", "1e300"], "alpha 1e+300 along up leaves the range"),
    "psi and latents": ([*APPLY, "--trunc", "0.5", "--latents", "{tmp}/wide.npz"], "--trunc and --latents"),
    "folder in the way": ([*APPLY, "--outdir", "{tmp}/taken", "--quiet"], "strip.png is a folder"),
    "no batch": (["train", "generator", "--data", "{tmp}/empty", "--batch", "0"], "'0' is not a whole number"),
    "a target beyond one": (
        ["train", "generator", "--data", "{tmp}/empty", "--ada-target", "1.5"],
        "'1.5' is above one",
    ),
    "a negative path weight": (
        ["train", "generator", "--data", "{tmp}/empty", "--path-weight", "-1"],
        "'-1' is below zero",
    ),
    "gamma nan": (["train", "generator", "--data", "{tmp}/empty", "--gamma", "nan"], "'nan' is not a finite"),
    "no faces": (["directions", "build", "--faces", "0", "--out", "{tmp}/out"], "'0' is not a whole number"),
    "broken state": (
        ["train", "generator", "--data", "{tmp}/whole.jpg", "--outdir", "{tmp}/taken", "--resolution", "8", "--quiet"],
        "state.pt",
    ),
    "growing from nothing": (
        ["train", "generator", "--data", "{tmp}/whole.jpg", "--quiet", "--grow-from", "{tmp}/no.pt"],
        "no.pt: No such file",
    ),
    "odd resolution": (
        ["train", "generator", "--data", "{tmp}/empty", "--outdir", "{tmp}/out", "--resolution", "48"],
        "--resolution 48: img_resolution 48 is not a power of two",
    ),
    "assessor without ratings": (
        ["train", "assessor", "--data", "{tmp}/empty", "--out", "{tmp}/a.safetensors"],
        "empty",
    ),
}


@pytest.fixture
def places(network, tmp_path):
    """Files with something wrong about each."""
    save_direction(
        Direction("up", torch.ones(6, 16), tuple(range(6)), generator="cd" * 32), tmp_path / "foreign.safetensors"
    )
    np.save(tmp_path / "wide.npy", np.ones((1, 512)))
    np.savez(tmp_path / "wide.npz", w=np.ones((1, 18, 512)))
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken" / "strip.png").mkdir(parents=True)
    (tmp_path / "taken" / "state.pt").write_text("junk")
    (tmp_path / "text.pkl").write_text("hello")
    (tmp_path / "page.pkl").write_text("<!DOCTYPE html>")
    (tmp_path / "hostile.pkl").write_bytes(b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.")
    (tmp_path / "cut.safetensors").write_bytes(network.read_bytes()[:-100])
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:700])
    return {"network": network, "tmp": tmp_path}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_line_and_exit_code_2(refuse, places, mistake):
    arguments, expected = MISTAKES[mistake]
    refuse([argument.format(**places) for argument in arguments], expected.format(**places), places["tmp"])


def test_a_full_disk_leaves_nothing_behind(run, places, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = sorted(places["tmp"].rglob("*"))
    monkeypatch.setattr("latentedit.cli.apply.write_run", fail)
    done = run(*(argument.format(**places) for argument in APPLY), "--quiet")
    assert done.code == 2
    assert done.err.startswith(f"latentedit apply: {places['tmp']}/out can't be written (No space left on device)")
    assert done.err.count("\n") == 1
    assert sorted(places["tmp"].rglob("*")) == before


def test_an_interrupt_ends_quietly(run, places, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("latentedit.render", interrupt)
    done = run(*(argument.format(**places) for argument in APPLY))
    assert (done.code, done.err) == (130, "latentedit apply: interrupted\n")
