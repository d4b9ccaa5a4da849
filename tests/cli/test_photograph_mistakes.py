"""Forty photographs and settings that can't be: one line each that names the culprit, and nothing left behind."""

import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import latentedit as le

NET = ["--network", "{network}", "--out", "{tmp}/out"]
APPLY = ["apply", *NET, "--direction", "up", "--alpha", "1", "--scorer", "none"]
ALIGN = ["align", "--out", "{tmp}/out"]
INVERT = ["invert", "{tmp}/square.png", "--aligned", *NET]
MISTAKES = {
    "no photograph": ([*ALIGN], "photographs"),
    "absent photograph": ([*ALIGN, "{tmp}/no.jpg"], "no.jpg does not exist"),
    "text for a photograph": ([*ALIGN, "{tmp}/text.jpg"], "text.jpg can't be read as an image"),
    "half a photograph": ([*ALIGN, "{tmp}/half.jpg"], "half.jpg can't be read as an image"),
    "an empty file": ([*ALIGN, "{tmp}/zero.jpg"], "zero.jpg can't be read as an image"),
    "a bomb": ([*ALIGN, "{tmp}/bomb.png"], "bomb.png has 13000 x 13000 pixels"),
    "a PostScript file": ([*ALIGN, "{tmp}/script.eps"], "script.eps can't be read as an image"),
    "an empty folder": ([*ALIGN, "{tmp}/empty"], "empty holds no image"),
    "a pipe": ([*ALIGN, "{tmp}/pipe.jpg"], "pipe or a device"),
    "no face": ([*ALIGN, "{tmp}/square.png"], "square.png: no face is seen in it"),
    "one pixel": ([*ALIGN, "{tmp}/pixel.png"], "pixel.png: no face is seen in it"),
    "too few faces": ([*ALIGN, "{photo}", "--face", "2"], "--face 2: 1 faces are seen in it"),
    "face zero": ([*ALIGN, "{photo}", "--face", "0"], "'0' is not a whole number"),
    "no detector": ([*ALIGN, "{photo}", "--detector", "{tmp}/no.onnx"], "no.onnx is no file"),
    "a detector that is none": ([*ALIGN, "{photo}", "--detector", "{tmp}/text.jpg"], "text.jpg is no face detector"),
    "a folder for a detector": ([*ALIGN, "{photo}", "--detector", "{tmp}"], "is no file: name YuNet's"),
    "a size without end": ([*ALIGN, "{photo}", "--size", "100000"], "--size 100000: give 4096 pixels at most"),
    "landmarks that are no JSON": ([*ALIGN, "{tmp}/square.png", "--landmarks", "{tmp}/text.jpg"], "text.jpg: no JSON"),
    "absent landmarks": ([*ALIGN, "{tmp}/square.png", "--landmarks", "{tmp}/no.json"], "no.json"),
    "three landmarks": ([*ALIGN, "{tmp}/square.png", "--landmarks", "{tmp}/three.json"], "shape [3, 2]"),
    "landmarks of words": ([*ALIGN, "{tmp}/square.png", "--landmarks", "{tmp}/words.json"], "no landmarks"),
    "landmarks without end": ([*ALIGN, "{tmp}/square.png", "--landmarks", "{tmp}/infinite.json"], "not finite"),
    "landmarks at one place": ([*ALIGN, "{tmp}/square.png", "--landmarks", "{tmp}/same.json"], "span no face"),
    "landmarks far off": ([*ALIGN, "{tmp}/square.png", "--landmarks", "{tmp}/far.json"], "far outside"),
    "landmarks of another": (
        [*ALIGN, "{tmp}/square.png", "--landmarks", "{tmp}/other.json"],
        "holds no landmarks of square.png",
    ),
    "landmarks and a face": (
        [*ALIGN, "{photo}", "--landmarks", "{tmp}/same.json", "--face", "1"],
        "--landmarks and --face: give one of them",
    ),
    "two of one name": ([*ALIGN, "{tmp}/square.png", "{tmp}/same/square.jpg"], "two photographs are called square"),
    "written over": (["align", "{tmp}/square.png", "--out", "{tmp}"], "square.png lies in --outdir"),
    "no steps": ([*INVERT, "--steps", "0"], "'0' is not a whole number"),
    "a rate below zero": ([*INVERT, "--lr", "-1"], "'-1' is not above zero"),
    "an unknown space": ([*INVERT, "--space", "z"], "'z'"),
    "fast without an encoder": ([*INVERT, "--fast"], "this one is"),
    "the encoder of another": ([*INVERT, "--encoder"], "faces_encoder.safetensors: encodes for generator"),
    "an unknown likeness": ([*INVERT, "--identity", "arcface"], "arcface is neither a face network nor a file"),
    "an unknown LPIPS": ([*INVERT, "--lpips", "deep"], "'deep'"),
    "an encoder that is none": ([*INVERT, "--encoder", "{network}"], "holds no encoder"),
    "an absent encoder": ([*INVERT, "--encoder", "{tmp}/no.safetensors"], "no.safetensors"),
    "steps of no tuning": ([*INVERT, "--tune-steps", "5"], "nothing is tuned, add --tune"),
    "tuning in S": ([*INVERT, "--space", "s", "--tune"], "--space s --tune: the generator is tuned at ws"),
    "a class without need": ([*INVERT, "--class", "1"], "not conditional"),
    "pasting no photograph": ([*APPLY, "--paste-back"], "--paste-back is about a photograph: name one with --photo"),
    "an unknown way to paste": ([*APPLY, "--photo", "{photo}", "--paste-back", "glue"], "'glue'"),
    "a photograph and seeds": ([*APPLY, "--photo", "{photo}", "--seeds", "1"], "--seeds and --photo"),
    "a photograph and psi": ([*APPLY, "--photo", "{photo}", "--trunc", "0.5"], "--trunc and --photo"),
    "latents of fewer": (
        [*APPLY, "--photo", "{tmp}/square.png", "--aligned", "--latents", "{tmp}/two.npz"],
        "two.npz holds 2 faces, --photo names 1",
    ),
    "a tuning that is none": ([*APPLY, "--tuned", "{network}"], "holds no tuning"),
    "a tuning of another": ([*APPLY, "--tuned", "{tmp}/foreign.safetensors"], "tunes generator cdcdcdcdcdcd"),
    "an absent tuning": ([*APPLY, "--tuned", "{tmp}/no.safetensors"], "no.safetensors"),
    "an identity of nothing": ([*APPLY, "--identity", "{tmp}/text.jpg"], "give both"),
    "an identity that is none": (
        [*APPLY, "--keep-identity", "0.9", "--identity", "{tmp}/two.npz"],
        "two.npz holds the weights of none of vgg16",
    ),
    "more likeness than there is": ([*APPLY, "--keep-identity", "1.5"], "'1.5' is above one"),
    "a StyleGAN2 that turns": ([*INVERT, "--upright"], "only a StyleGAN3 turns its input"),
    "no photograph to turn": ([*APPLY, "--upright"], "--upright is about a photograph"),
    "an unknown loss": ([*INVERT, "--loss", "ssim"], "'ssim'"),
    "a text for an encoder": ([*INVERT, "--encoder", "{tmp}/text.jpg"], "text.jpg: holds no encoder"),
    "an encoder of nothing": (["train", "encoder", *NET, "--data", "{tmp}/empty"], "empty holds no image"),
}


@pytest.fixture
def places(network, shared, tmp_path, monkeypatch):
    """Files with something wrong about each."""
    import os

    import torch

    from latentedit.inversion.tuning import save_difference

    monkeypatch.setenv("LATENTEDIT_YUNET", str(shared / "reference" / "yunet" / "yunet_n_dynamic.onnx"))
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    noise.save(tmp_path / "square.png")
    noise.save(tmp_path / "whole.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:900])
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "zero.jpg").touch()
    (tmp_path / "script.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    head = struct.pack(">IIBBBBB", 13000, 13000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + bytes(4))
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "same").mkdir()
    noise.save(tmp_path / "same" / "square.jpg")
    Image.new("RGB", (1, 1)).save(tmp_path / "pixel.png")
    face = [[12, 12], [28, 12], [20, 20], [14, 30], [26, 30]]
    written = {
        "three": face[:3],
        "words": ["eyes"] * 5,
        "infinite": [[1e999, 0], *face[1:]],
        "same": [[5, 5]] * 5,
        "far": [[x + 1e6, y] for x, y in face],
        "other": {"other.png": face},
    }
    for name, content in written.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    le.save_latents(tmp_path / "two.npz", torch.zeros(2, 8, 16))
    save_difference(tmp_path / "foreign.safetensors", {"b4.conv1.bias": torch.zeros(8)}, "cd" * 32)
    return {"network": network, "tmp": tmp_path, "photo": shared / "data" / "photos" / "congress_00.jpg"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_about_a_photograph_gets_one_line_and_leaves_nothing(refuse, places, mistake):
    arguments, expected = MISTAKES[mistake]
    refuse([argument.format(**places) for argument in arguments], expected, places["tmp"])


def test_there_are_forty():
    assert len(MISTAKES) >= 40
