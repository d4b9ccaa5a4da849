"""Files that are no files, files without end, and pictures and JSON made to exhaust: one line each, at once."""

import json
import os
import struct
import subprocess
import zlib

import pytest
import torch
from PIL import Image

from latentedit.checkpoints import load_generator_file, save_record
from latentedit.checkpoints.archive import load_archive
from latentedit.downloads.registry import read_registry
from latentedit.errors import LONGEST_LINE, InputError, about, one_line
from latentedit.formats import read_channels, read_entries
from latentedit.inversion import load_encoder, load_tuned
from latentedit.inversion.detection import load_detector
from latentedit.inversion.landmarks import read_landmarks
from latentedit.latents import load_latents
from latentedit.library import read_direction, read_index
from latentedit.photographs import load_square
from latentedit.predictors import OmiAssessor
from latentedit.training.gan import Settings
from latentedit.training.generator import export_generator, load_state, resume, small_config

READERS = {
    "checkpoint": load_generator_file,
    "directions": read_entries,
    "latents": lambda path: load_latents(path, None),
    "channels": read_channels,
    "registry": read_registry,
    "direction": read_direction,
    "assessor": OmiAssessor.load,
    "state": load_state,
    "index": read_index,
    "photograph": lambda path: load_square(path, 8),
    "landmarks": lambda path: read_landmarks(path, [path]),
    "tuning": lambda path: load_tuned(path, None),
    "encoder": lambda path: load_encoder(path, None),
    "detector": load_detector,
}


def refuse(read, path):
    """Require one line that names the file."""
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_regular_file(reader, tmp_path):
    os.mkfifo(tmp_path / "pipe.pkl")
    (tmp_path / "loop.pkl").symlink_to(tmp_path / "loop.pkl")
    (tmp_path / "device.pkl").symlink_to("/dev/zero")
    (tmp_path / "folder.pkl").mkdir()
    assert "pipe or a device" in refuse(READERS[reader], tmp_path / "pipe.pkl")
    assert "pipe or a device" in refuse(READERS[reader], tmp_path / "device.pkl")
    refuse(READERS[reader], tmp_path / "loop.pkl")
    refuse(READERS[reader], tmp_path / "folder.pkl")
    refuse(READERS[reader], tmp_path / "absent.pkl")


STARTS = {
    "text": b"hello ",
    "zeros": b"",
    "pickle": b"\x80\x02c",
    "zip": b"PK\x03\x04",
    "numpy": b"\x93NUMPY\x01\x00"
    + struct.pack("<H", 65)
    + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 4), }".ljust(64)
    + b"\n",
    "safetensors": struct.pack("<Q", 90_000_000) + b'{"',
    "json": b'{"generator": "',
    "png": b"\x89PNG\r\n\x1a\n",
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("reader", READERS)
def test_ten_gigabytes_of_nothing(reader, start, tmp_path, little_memory):
    path = tmp_path / "sparse.pkl"
    path.write_bytes(STARTS[start])
    os.truncate(path, 10 * 2**30)
    refuse(READERS[reader], path)


def test_no_program_is_started_for_a_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "check_call", lambda *_, **__: pytest.fail("a program was started"))
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    Image.new("RGB", (8, 8)).save(tmp_path / "image.eps")
    (tmp_path / "image.eps").rename(tmp_path / "image.png")
    refuse(READERS["photograph"], tmp_path / "image.png")


def png(width, height, rows):
    """A PNG of one byte a pixel that says whatever it likes."""
    parts = [
        (b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    chunks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(("width", "height"), [(2**31 - 1, 2**31 - 1), (20_000, 20_000), (95_000, 1_000), (0, 5)])
def test_pictures_that_are_larger_than_they_are(width, height, tmp_path, little_memory):
    (tmp_path / "bomb.png").write_bytes(png(width, height, b"\0" * 10))
    refuse(READERS["photograph"], tmp_path / "bomb.png")


CLAIMING = (  # a PNG of 8 x 8 whose IDAT says that it has four gigabytes
    "89504e470d0a1a0a0000000d4948445200000008000000081000000000b1f43d14ffffff7f494441547800"
)


def test_a_part_of_a_picture_that_claims_gigabytes(tmp_path, little_memory):
    (tmp_path / "claim.png").write_bytes(bytes.fromhex(CLAIMING))
    with pytest.raises(InputError) as caught:
        load_square(tmp_path / "claim.png", 8)
    error = caught.value
    while error := error.__cause__:
        assert not isinstance(error, MemoryError)


def safetensors(header, body=b"\0" * 64):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def vector(start=0, end=64, shape=(4, 4), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


STATED = {"kind": "direction", "name": "up", "layers": [0, 1, 2, 3], "unit": "raw", "sigma": 1.0, "generator": None}
SAFETENSORS = {
    "tensors that overlap": safetensors({"a": vector(), "b": vector()}),
    "tensor beyond the file": safetensors({"vector": vector(0, 2**40, (2**38,))}),
    "tensor before the file": safetensors({"vector": vector(-64, 0)}),
    "size beyond all numbers": safetensors({"vector": vector(0, 64, (2**62, 2**62))}),
    "gap": safetensors({"vector": vector(32, 64, (2, 4))}),
    "name given twice": safetensors(b'{"vector": 1, "vector": ' + json.dumps(vector()).encode() + b"}"),
    "header longer than the file": struct.pack("<Q", 10_000) + b"{}",
    "header of exabytes": struct.pack("<Q", 2**63) + b"{}",
    "header of megabytes": safetensors(b"{" + b" " * 2**25 + b"}"),
    "deep header": safetensors(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "name that is no UTF-8": safetensors(b'{"\xff\xfe": {}}'),
}


@pytest.mark.parametrize("name", SAFETENSORS)
def test_safetensors_that_lie(name, tmp_path):
    (tmp_path / "lie.safetensors").write_bytes(SAFETENSORS[name])
    for reader in ("checkpoint", "direction", "assessor"):
        refuse(READERS[reader], tmp_path / "lie.safetensors")


HEADERS = {
    "deep": '{"record_version": 1, "kind": ' + "[" * 100_000,
    "NaN": json.dumps({**STATED, "provenance": {}, "sigma": float("nan"), "record_version": 1}),
    "a number of many digits": '{"record_version": ' + "9" * 5000 + "}",
    "a number as a name": json.dumps({**STATED, "provenance": {}, "name": 10**400, "record_version": 1}),
    "no object": "[1]",
    "a name without end": json.dumps({**STATED, "provenance": {}, "name": "a" * 10**6, "record_version": 1}),
    "an escape code": json.dumps({**STATED, "provenance": {}, "name": "\x1b[2J", "record_version": 1}),
    "half a letter": json.dumps({**STATED, "provenance": {}, "name": "\ud800", "record_version": 1}),
    "layers without end": json.dumps({**STATED, "provenance": {}, "layers": [10**30] * 4, "record_version": 1}),
    "an infinite layer": json.dumps({**STATED, "provenance": {}, "layers": [float("inf")] * 4, "record_version": 1}),
    "a kind without end": json.dumps({**STATED, "kind": "\n" * 10**6, "record_version": 1}),
    "a version without end": json.dumps({**STATED, "record_version": "\x1b" * 10**6}),
}


@pytest.mark.parametrize("name", HEADERS)
def test_records_that_lie(name, tmp_path):
    (tmp_path / "lie.safetensors").write_bytes(
        safetensors(
            {"__metadata__": {"latentedit": HEADERS[name]}, "vector": vector()}, struct.pack("<16f", *range(16))
        )
    )
    for reader in ("checkpoint", "direction", "assessor"):
        line = refuse(READERS[reader], tmp_path / "lie.safetensors")
        assert len(line) < LONGEST_LINE + len(str(tmp_path)) + 100


def test_a_config_that_asks_for_terabytes(tmp_path, little_memory):
    header = {"kind": "assessor", "attributes": ["a"] * 100, "gamma": 1.0}
    for config in (
        {"img_resolution": 10**6},
        {"colour_resolution": 10**6},
        {"img_resolution": 10**300},
        {"cells": 8},
        0,
    ):
        save_record(tmp_path / "bomb.safetensors", {"supports": torch.zeros(1, 100)}, {**header, "config": config})
        refuse(READERS["assessor"], tmp_path / "bomb.safetensors")


@pytest.mark.parametrize("resolution", [float("inf"), float("nan"), 10**400, "8", None, [8], -8, 2**900])
def test_a_generator_of_an_impossible_size(resolution, tmp_path, tiny_generator):
    config = {**tiny_generator.config.to_dict(), "img_resolution": resolution}
    save_record(
        tmp_path / "g.safetensors", dict(tiny_generator.named_parameters()), {"kind": "generator", "config": config}
    )
    refuse(load_generator_file, tmp_path / "g.safetensors")


def write_state(path, **parts):
    config = small_config(8).to_dict()
    record = {"config": config, "settings": {"batch": 1}}
    torch.save({"record": json.dumps(record), "num_images": 0, "average": {}, **parts}, path)


@pytest.mark.parametrize(
    "parts",
    [
        {"record": "["},
        {"record": "{}"},
        {"record": "[" * 100_000},
        {"record": 5},
        {"record": json.dumps({"config": small_config(8).to_dict(), "settings": {"batch": 1, "colour": 2}})},
        {"record": json.dumps({"config": {"img_resolution": 2**40}, "settings": {"batch": 1}})},
        {"record": json.dumps({"config": {**small_config(8).to_dict(), "channels": [10**9, 10**9]}, "settings": {}})},
        {"generator": {}},
        {"generator": 3, "average": 3},
    ],
    ids=str,
)
def test_a_training_state_that_lies(parts, tmp_path, little_memory):
    write_state(tmp_path / "state.pt", **parts)
    refuse(lambda path: resume(path, small_config(8), Settings(batch=1), torch.device("cpu")), tmp_path / "state.pt")
    refuse(lambda path: export_generator(path, tmp_path / "out.safetensors", "", None), tmp_path / "state.pt")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"generator": ' + b"9" * 5000 + b"}"]
)
def test_an_index_that_is_none(content, tmp_path):
    (tmp_path / "index.json").write_bytes(content)
    refuse(read_index, tmp_path / "index.json")
    if content != b"[]":  # a list of nothing is one
        refuse(read_registry, tmp_path / "index.json")


def test_a_message_of_a_file_is_one_line_of_bounded_length():
    assert one_line("a\nb\x1b[31m") == "a b?[31m"
    assert len(one_line("a" * 10**6)) < LONGEST_LINE + 10
    with pytest.raises(InputError) as caught, about("f"):
        raise InputError("\n" * 5 + "a" * 10**6)
    assert len(str(caught.value)) < LONGEST_LINE + 10


def test_what_unfolds_without_end_is_not_printed(tmp_path):
    """A list of two references to a list of two references to ... in places whose values errors repeat."""
    unfolding: list = []
    for _ in range(60):
        unfolding = [unfolding, unfolding]
    torch.save({"ckpt": unfolding, "eigvec": torch.eye(4)}, tmp_path / "factor.pt")
    assert read_entries(tmp_path / "factor.pt")[0].facts["format"] == "rosinality factor"
    assert load_archive(tmp_path / "factor.pt")
    torch.save({"G_ema": {"a": unfolding}}, tmp_path / "g.pt")
    refuse(load_generator_file, tmp_path / "g.pt")


def test_an_archive_on_many_disks(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04PK\x06\x07" + struct.pack("<LQL", 0, 0, 9) + b"PK\x05\x06" + bytes(18))
    with pytest.raises(InputError, match=r"a\.npz: its arrays cannot be read"):
        read_entries(tmp_path / "a.npz")
