"""Files made to run code or to break the reader: every one is refused in one line, and nothing runs."""

from __future__ import annotations

import contextlib
import copyreg
import io
import os
import pickle
import re
import struct
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nvidia_pickle import Reduced, persist, write_pickle

from latentedit.checkpoints import load_generator_file, save_generator
from latentedit.checkpoints.unpickler import Call, unpickle
from latentedit.errors import InputError
from latentedit.networks import Generator, StyleGAN3Config

EXTENSION_CODE = 0x7777


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def dotted(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + b"\x93"


def call(function: bytes, *args: bytes) -> bytes:
    return function + b"(" + b"".join(args) + b"tR"


def program(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


def payloads(trap: str) -> dict[str, bytes]:
    """Pickles that make the folder `trap` when the stock unpickler reads them."""
    mkdir, made = Reduced(os.mkdir, trap), call(name("os", "mkdir"), text(trap))
    source = f"__import__('os').mkdir({trap!r})"
    array = np.empty(1, dtype=object)
    array[0] = mkdir
    imported = call(name("builtins", "__import__"), text("os"))
    return {
        "os.system": program(call(name("os", "system"), text(f"mkdir {trap}"))),
        "os.mkdir": program(made),
        "eval": program(call(name("builtins", "eval"), text(source))),
        "exec": program(call(name("builtins", "exec"), text(source))),
        "eval as in Python 2": b"\x80\x02" + call(name("__builtin__", "eval"), text(source)) + b".",
        "subprocess": pickle.dumps(Reduced(subprocess.call, ["mkdir", trap]), 2),
        "timeit": program(call(name("timeit", "timeit"), text(source), text("pass"), name("time", "time"), b"K\x01")),
        "getattr": program(call(call(name("builtins", "getattr"), imported, text("mkdir")), text(trap))),
        "INST": program(b"(", text(trap), b"ios\nmkdir\n"),
        "OBJ": program(b"(", name("os", "mkdir"), text(trap), b"o"),
        "dotted name": program(call(dotted("torch", "serialization.os.mkdir"), text(trap))),
        "dotted name in an allowed module": program(call(dotted("torch._utils", "torch.os.mkdir"), text(trap))),
        "dotted allowed name": program(dotted("collections", "OrderedDict.__init__.__class__"), b"0", made),
        "extension code": program(call(b"\x83" + struct.pack("<H", EXTENSION_CODE), text(trap))),
        "object array": pickle.dumps(array, 2),
        "object scalar": program(
            call(name("numpy._core.multiarray", "scalar"), call(name("numpy", "dtype"), text("O8"), b"\x89\x88"), made)
        ),
        "state of an allowed call": program(call(name("numpy", "dtype"), text("f8")), b"(K\x03", made, b"tb"),
        "argument of an allowed call": program(call(name("torch.storage", "_load_from_bytes"), made)),
        "dictionary key": program(b"}(", made, b"Nu"),
    }


@pytest.fixture(params=payloads(""))
def payload(request: pytest.FixtureRequest, trap: Path) -> bytes:
    return payloads(str(trap))[request.param]


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Path]:
    """A folder that must not come into being; the test fails if it does, unless it removes it."""
    trap = tmp_path / "trap"
    yield trap
    assert not trap.exists(), "code from a file was run"


@pytest.fixture(scope="module", autouse=True)
def _extension() -> Iterator[None]:
    """Register os.mkdir as an extension, and let the stock unpickler keep it at hand."""
    copyreg.add_extension("os", "mkdir", EXTENSION_CODE)
    assert pickle.loads(b"\x80\x02\x83" + struct.pack("<H", EXTENSION_CODE) + b".") is os.mkdir
    yield
    copyreg.remove_extension("os", "mkdir", EXTENSION_CODE)


def test_payloads_are_live(payload: bytes, trap: Path) -> None:
    with contextlib.suppress(Exception):
        pickle.loads(payload)
    trap.rmdir()  # fails if the payload is a dud


def refuse(path: Path, content: bytes) -> str:
    """Check that a file of this content is refused in one printable line; return the line."""
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_generator_file(path)
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


@pytest.mark.usefixtures("trap")
@pytest.mark.parametrize("place", ["alone", "G_ema", "D"])
def test_hostile_pickle(payload: bytes, place: str, tmp_path: Path) -> None:
    body = payload[2:-1]  # without PROTO and STOP
    content = payload if place == "alone" else program(b"}(", text(place), body, b"u")
    assert "refused" in refuse(tmp_path / "hostile.pkl", content)


def hostile_storages(trap: Path) -> list[bytes]:
    archives = [pickle.dumps(Reduced(os.mkdir, str(trap)), 2)]
    for zipped in (False, True):
        file = io.BytesIO()
        torch.save(Reduced(os.mkdir, str(trap)), file, _use_new_zipfile_serialization=zipped)
        archives.append(file.getvalue())
    return archives


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_payload_inside_a_storage(kind: int, tiny_generator: Generator, tmp_path: Path, trap: Path) -> None:
    storage = Reduced(torch.storage._load_from_bytes, hostile_storages(trap)[kind])
    tensor = Reduced(torch._utils._rebuild_tensor_v2, storage, 0, (8,), (1,), False, {})
    network = persist(tiny_generator, {"mapping": {"_buffers": {"w_avg": tensor}}})
    write_pickle(tmp_path / "network.pkl", {"G_ema": network})
    refuse(tmp_path / "hostile.pkl", (tmp_path / "network.pkl").read_bytes())


@pytest.mark.usefixtures("trap")
@pytest.mark.parametrize("kind", [1, 2])
def test_hostile_torch_file(kind: int, tmp_path: Path, trap: Path) -> None:
    assert "'posix.mkdir'" in refuse(tmp_path / "hostile.pt", hostile_storages(trap)[kind])


def test_module_source_is_never_run(tiny_generator: Generator, tmp_path: Path, trap: Path) -> None:
    network = persist(tiny_generator, {})
    network.meta["module_src"] = f"import os; os.mkdir({str(trap)!r})"
    load_generator_file(write_pickle(tmp_path / "network.pkl", {"G_ema": network}))


def test_names_stay_inert(tmp_path: Path) -> None:
    path = tmp_path / "call.pkl"
    path.write_bytes(program(call(name("numpy", "dtype"), text("f8")), b"}(", text("a"), b"Nub"))
    value = unpickle(path)
    assert isinstance(value, Call)
    assert (value.name, value.args, value.state) == ("numpy.dtype", ("f8",), {"a": None})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (program(name("numpy", "dtype"), b"N}(", text("__code__"), b"Nu\x86b"), "sets attributes of .*'numpy.dtype'"),
        (program(name("builtins", "set"), b"N}(", text("add"), b"Nu\x86b"), "damaged"),
        (program(name("torch._utils", "_rebuild_tensor_v2.__globals__")), "_rebuild_tensor_v2.__globals__"),
        (program(name("torch_utils.persistence", "_reconstruct_persistent_obj.__code__")), "refused"),
        (program(name("dnnlib.tflib.network", "Network")), "TensorFlow"),
        (program(name("\x1b[31mos", "sys\x07tem")), "refused"),
        (program(text("7"), b"Q"), "damaged"),
        (program(b"Nr\xff\xff\xff\x7f"), "memory"),
        (b"\x80\x02Np2000000000\n.", "memory"),
        (program(b"\x8e" + struct.pack("<Q", 2**62)), "damaged"),
        (program(b"\x95" + struct.pack("<Q", 2**62), b"N"), "damaged"),
        (program(b"K\x07"), "holds no G_ema"),
        (program(b"]"), "holds no G_ema"),
        (b"\x80\x04", "damaged"),
        (b"\x80\xffN.", "damaged"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\xef\xbb\xbf\n <html>", "web page"),
        (b"", "empty"),
        (b"cos\nsystem\n(S'true'\ntR.", "no checkpoint"),
        (b"\x89PNG\r\n\x1a\n", "no checkpoint"),
        (b"PK\x03\x04 and no zip", "damaged"),
        (struct.pack("<Q", 90_000_000) + b"{}", "cut short"),
        (struct.pack("<Q", 2) + b"{}", "did not write it"),
    ],
)
def test_what_is_no_checkpoint(content: bytes, message: str, tmp_path: Path) -> None:
    assert re.search(message, refuse(tmp_path / "file", content))


def test_foreign_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("checkpoint.pt", "x")
    assert "unpack it" in refuse(tmp_path / "b.zip", (tmp_path / "a.zip").read_bytes())


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load_generator_file(tmp_path / "missing.pkl")
    with pytest.raises(InputError, match="directory"):
        load_generator_file(tmp_path)


@pytest.mark.parametrize("size", [(9,), (2**62, 2**62), (-1,), ("a",), ([],), (2**70,)])
def test_tensor_beyond_its_storage(size: tuple[Any, ...], tiny_generator: Generator, tmp_path: Path) -> None:
    file = io.BytesIO()
    torch.save(torch.zeros(8)._typed_storage(), file, _use_new_zipfile_serialization=False)
    storage = Reduced(torch.storage._load_from_bytes, file.getvalue())
    tensor = Reduced(torch._utils._rebuild_tensor_v2, storage, 0, size, (1,) * len(size), False, {})
    network = persist(tiny_generator, {"mapping": {"_buffers": {"w_avg": tensor}}})
    write_pickle(tmp_path / "network.pkl", {"G_ema": network})
    assert "storage" in refuse(tmp_path / "hostile.pkl", (tmp_path / "network.pkl").read_bytes())


@pytest.fixture(scope="module")
def files(tiny_generator: Generator, data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One small valid file of every format."""
    folder = tmp_path_factory.mktemp("files")
    write_pickle(folder / "nvidia", {"G_ema": persist(tiny_generator, {})})
    content = torch.load(data / "stylegan2-64-rosinality.pt", weights_only=True)
    torch.save(content, folder / "torch zip")
    torch.save(content, folder / "torch legacy", _use_new_zipfile_serialization=False)
    save_generator(folder / "latentedit", tiny_generator)
    stylegan3 = Generator(StyleGAN3Config(16, (5, 4, 3), z_dim=5, w_dim=6))
    write_pickle(folder / "nvidia stylegan3", {"G_ema": persist(stylegan3, {})})
    save_generator(folder / "latentedit stylegan3", stylegan3)
    for path in folder.iterdir():
        load_generator_file(path)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


FORMATS = pytest.mark.parametrize(
    "format", ["nvidia", "torch zip", "torch legacy", "latentedit", "nvidia stylegan3", "latentedit stylegan3"]
)
SEARCH = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FORMATS
@SEARCH
@given(draw=st.data())
def test_cut_anywhere(format: str, draw: st.DataObject, files: dict[str, bytes], tmp_path: Path) -> None:
    content = files[format]
    refuse(tmp_path / "cut", content[: draw.draw(st.integers(0, len(content) - 1))])


@FORMATS
@SEARCH
@given(draw=st.data())
def test_one_byte_changed(format: str, draw: st.DataObject, files: dict[str, bytes], tmp_path: Path) -> None:
    """A changed byte is refused or harmless; it never raises anything but InputError."""
    content = bytearray(files[format])
    head = st.integers(0, min(3000, len(content) - 1))
    content[draw.draw(head | st.integers(0, len(content) - 1))] = draw.draw(st.integers(0, 255))
    (tmp_path / "changed").write_bytes(content)
    with contextlib.suppress(InputError):
        load_generator_file(tmp_path / "changed")
