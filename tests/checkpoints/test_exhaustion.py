"""Pickles and archives of a few bytes that ask for terabytes or for ever: refused in one line, at once."""

from __future__ import annotations

import io
import pickle
import struct
import time
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from latentedit.arrays import load_content
from latentedit.checkpoints import load_generator_file
from latentedit.checkpoints.archive import load_archive
from latentedit.errors import InputError

LEGACY = b"".join(pickle.dumps(x, 2) for x in (torch.serialization.MAGIC_NUMBER, 1001, {"protocol_version": 1001}))


def binary(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def unfolding(levels: int = 60) -> bytes:
    """A tuple of two references to a tuple of two references to ..."""
    return b")" + b"".join(b"q" + bytes([i]) + b"0h" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(levels))


def storage(numel: int, kind: str = "FloatStorage", key: str = "0") -> bytes:
    name = f"ctorch\n{kind}\n".encode()
    return b"(" + text("storage") + name + text(key) + text("cpu") + b"\x8a\x08" + struct.pack("<q", numel) + b"tQ"


def tensor(numel: int, size: bytes, stride: bytes = b"K\x01\x85", offset: bytes = b"K\x00") -> bytes:
    """A tensor as torch.save writes it."""
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(numel) + offset + size + stride + b"\x89}tR"


LARGE = b"\x8a\x05" + struct.pack("<q", 2**36)[:5]
COPIED = b"ccollections\nOrderedDict\nh\x01\x85R0"
COUNTED = b"".join(b"M" + struct.pack("<H", i) + b"N" for i in range(999))
PLAIN = {  # pickles that the machine itself must refuse
    "key that unfolds": b"}" + unfolding() + b"Ns",
    "keys that unfold": b"}(" + unfolding() + b"Nu",
    "keys of an old dictionary": b"(" + unfolding() + b"Nd",
    "member that unfolds": b"\x8f(" + unfolding() + b"\x90",
    "members that a call puts in": b"cbuiltins\nset\n](" + unfolding() + b"e\x85R",
    "pairs that a call puts in": b"ccollections\nOrderedDict\n](" + unfolding() + b"N\x86e\x85R",
    "pairs that are put in again and again": b"](" + b"N" * 1000 + b"eq\x01" + COPIED * 9000,
    "dictionary that is copied again and again": b"}(" + COUNTED + b"uq\x01" + COPIED * 9000,
    "integer of a megabyte": b"}\x8b" + struct.pack("<I", 10**6) + b"\x01" * 10**6 + b"Ns",
    "bytes that are not there": b"B" + struct.pack("<I", 2**32 - 2),
    "many bytes that are not there": b"\x8e" + struct.pack("<Q", 2**40),
    "many letters that are not there": b"\x8d" + struct.pack("<Q", 2**40),
    "an array of bytes that are not there": b"\x96" + struct.pack("<Q", 2**40),
    "integer that is not there": b"\x8b" + struct.pack("<i", 2**31 - 1),
    "name without an end": b"c" + b"a" * 2**21,
}
TORCHS = {  # content of torch.save's files
    "storage of terabytes": storage(2**40),
    "storage of gigabytes": storage(2**32),
    "storage of less than nothing": storage(-1),
    "tensor beyond its storage": tensor(2, b"K\x03\x85"),
    "tensor far beyond its storage": tensor(2, LARGE + b"\x85"),
    "tensor behind its storage": tensor(2, b"K\x02\x85", offset=b"K\x01"),
    "wide steps": tensor(2, b"K\x02\x85", b"K\x02\x85"),
    "negative step": tensor(2, b"K\x02\x85", b"J\xff\xff\xff\xff\x85", b"K\x01"),
    "negative offset": tensor(2, b"K\x02\x85", offset=b"J\xff\xff\xff\xff"),
    "steps that are no tuple": tensor(2, b"K\x02\x85", b"]"),
    "sizes without end": tensor(2, b"(" + LARGE * 90 + b"t", b"(" + b"K\x01" * 90 + b"t"),
    "torch.Tensor of gigabytes": b"ctorch\nTensor\n" + LARGE + b"\x85R",
    "torch.UntypedStorage of gigabytes": b"ctorch\nUntypedStorage\n" + LARGE + b"\x85R",
    "bytearray of gigabytes": b"cbuiltins\nbytearray\n" + LARGE + b"\x85R",
    "quantized tensor of gigabytes": b"ctorch._utils\n_rebuild_qtensor\n(" + storage(2) + b"K\x00" + LARGE + b"\x85tR",
    "any type of tensor": b"ctorch._tensor\n_rebuild_from_type_v2\n(" + b"ctorch\nTensor\n" * 2 + LARGE + b"\x85}tR",
    "a codec that takes for ever": b"c_codecs\nencode\n" + text("é" * 10**5) + text("punycode") + b"\x86R",
    "view of a storage": storage(2)[:-2] + b"N\x85tQ",
}


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    """Each of these takes less than five seconds of the processor."""
    start = time.process_time()
    yield
    assert time.process_time() - start < 5


def pickle_of(content: bytes) -> bytes:
    return b"\x80\x02" + content + b"."


def zip_of(content: bytes, **members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", pickle_of(content))
        archive.writestr("a/version", "3\n")
        archive.writestr("a/data/0", b"\0" * 8)
        for name, member in members.items():
            archive.writestr(name, member)
    return file.getvalue()


def legacy_of(content: bytes) -> bytes:
    keys = pickle.dumps(["0"], 2)
    content = content.replace(b"tQ", b"NtQ")  # each storage says of which other it is a view
    return LEGACY + pickle_of(content) + keys + struct.pack("<q", 2) + b"\0" * 8


@pytest.mark.parametrize("name", PLAIN)
def test_a_pickle_that_exhausts(name: str, tmp_path: Path, little_memory: None) -> None:
    for content in (pickle_of(PLAIN[name]), zip_of(PLAIN[name]), legacy_of(PLAIN[name])):
        (tmp_path / "bomb.pkl").write_bytes(content)
        with pytest.raises(InputError, match=r"refused|damaged"):
            load_generator_file(tmp_path / "bomb.pkl")


@pytest.mark.parametrize("name", TORCHS)
def test_a_torch_file_that_exhausts(name: str, tmp_path: Path, little_memory: None) -> None:
    for content in (zip_of(TORCHS[name]), legacy_of(TORCHS[name])):
        (tmp_path / "bomb.pt").write_bytes(content)
        with pytest.raises(InputError, match=r"refused|damaged"):
            load_archive(tmp_path / "bomb.pt")


@pytest.mark.parametrize("name", PLAIN)
def test_a_list_of_storages_that_exhausts(name: str, tmp_path: Path, little_memory: None) -> None:
    (tmp_path / "bomb.pt").write_bytes(LEGACY + pickle_of(b"}") + pickle_of(PLAIN[name]))
    with pytest.raises(InputError, match=r"refused|damaged pickle"):
        load_archive(tmp_path / "bomb.pt")


def test_the_same_tensors_within_their_storage_are_read(tmp_path: Path) -> None:
    for content in (zip_of(tensor(2, b"K\x02\x85")), legacy_of(tensor(2, b"K\x02\x85"))):
        (tmp_path / "sound.pt").write_bytes(content)
        assert torch.equal(load_archive(tmp_path / "sound.pt"), torch.zeros(2))  # type: ignore[arg-type]


def compressed(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickle_of(content))
        archive.writestr("a/data/0", b"\0" * 10**6)
    return file.getvalue()


ARCHIVES = {
    "two pickles": zip_of(b"N", **{"b/data.pkl": pickle_of(b"N")}),
    "one member twice": zip_of(b"N", **{"A/DATA/0": b"\0" * 8}),
    "something behind the directory": zip_of(b"N") + b"\0" * 30,
    "compressed": compressed(b"N"),
    "no directory": zip_of(b"N")[:-30],
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_readers_see_differently(name: str, tmp_path: Path) -> None:
    (tmp_path / "odd.pt").write_bytes(ARCHIVES[name])
    with pytest.raises(InputError, match=r"refused|damaged"):
        load_archive(tmp_path / "odd.pt")


def npz(*members: tuple[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((1, 16)))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npz(("w.npy", array()), ("w.npy", array())), "one name"),
        (npz(("w.npy", array()), kind=zipfile.ZIP_LZMA), "numpy never does"),
        (npz(*((f"{i}.npy", b"\0" * 2**23) for i in range(129))), "once unpacked"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{", "damaged"),
    ],
)
def test_arrays_that_exhaust(content: bytes, message: str, tmp_path: Path, little_memory: None) -> None:
    (tmp_path / "bomb.npz").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_content(tmp_path / "bomb.npz")


def overlapping(count: int) -> bytes:
    """An archive whose directory names one compressed member `count` times, under as many names."""
    single = npz(("0.npy", b"\0" * 2**24))
    start = single.index(b"PK\x01\x02")
    entry = single[start : single.index(b"PK\x05\x06")]
    entries = b"".join(entry.replace(b"0.npy", f"{i:05}"[-1:].encode() + b".npy") for i in range(count))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entries), start, 0)
    return single[:start] + entries + end


def test_members_that_overlap(tmp_path: Path) -> None:
    (tmp_path / "bomb.npz").write_bytes(overlapping(99))
    assert (tmp_path / "bomb.npz").stat().st_size < 30_000
    with pytest.raises(InputError, match="once unpacked"):
        load_content(tmp_path / "bomb.npz")
