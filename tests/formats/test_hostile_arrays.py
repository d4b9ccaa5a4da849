"""Files made to run code or to break the readers of directions and latents: one line each, and nothing runs."""

import contextlib
import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentedit.arrays import load_content, to_tensor
from latentedit.errors import InputError
from latentedit.formats import read_entries
from latentedit.latents import load_latents

ROW = np.random.default_rng(0).standard_normal((1, 16))
EDIT = {"lat_comp": ROW, "lat_stdev": 2.0, "latent_space": "W", "edit_type": "latent", "edit_start": 0, "edit_end": 6}


class Mkdir:
    """Pickles as a call that makes a folder."""

    def __init__(self, trap):
        self.trap = str(trap)

    def __reduce__(self):
        return os.mkdir, (self.trap,)


@pytest.fixture
def trap(tmp_path):
    yield tmp_path / "trap"
    assert not (tmp_path / "trap").exists(), "code from a file was run"


def npy(header: str, body: bytes = b"") -> bytes:
    """An .npy whose header claims whatever it likes."""
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def claim(shape: str, descr: str = "'<f8'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


def refuse(path, generator):
    """Require one line that names the file, of a direction, of latents; return both."""
    lines = []
    for read in (lambda: read_entries(path), lambda: load_latents(path, generator)):
        with pytest.raises(InputError) as caught:
            read()
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(str(path))
        lines.append(str(caught.value))
    return lines


@pytest.mark.parametrize(
    "place", ["alone", "lat_comp", "name", "object array", "boundary", "meta_data", "in an npz", "in a .pt"]
)
def test_no_code_runs(place, trap, tmp_path, tiny_generator):
    path, mkdir = tmp_path / "hostile.pkl", Mkdir(trap)
    if place == "alone":
        path.write_bytes(pickle.dumps(mkdir))
    elif place == "object array":
        path.write_bytes(npy(claim("()", "'|O'"), pickle.dumps(np.array(mkdir, dtype=object))))
    elif place in ("boundary", "meta_data"):  # of HiGAN
        content = {"boundary": ROW, "meta_data": {"manipulate_layers": "6-11"}} | {place: mkdir}
        path.write_bytes(npy(claim("()", "'|O'"), pickle.dumps(np.array(content, dtype=object))))
    elif place == "in an npz":
        np.savez(path.with_suffix(".npz"), w=np.array([mkdir], dtype=object))
        path = path.with_suffix(".npz")
    elif place == "in a .pt":
        torch.save({"w": mkdir}, path)
    else:
        path.write_bytes(pickle.dumps(EDIT | {place: mkdir}))
    refuse(path, tiny_generator)


def test_the_payload_is_live(tmp_path):
    pickle.loads(pickle.dumps(Mkdir(tmp_path / "live")))
    assert (tmp_path / "live").exists()


HEADERS = {
    "terabytes": npy(claim("(1, 1000000000000)"), b"\0" * 8),
    "more axes than there are": npy(claim("(1,) * 100"), b"\0" * 8),
    "too few bytes": npy(claim("(1, 16)"), b"\0" * 127),
    "too many bytes": npy(claim("(1, 16)"), b"\0" * 129),
    "negative": npy(claim("(-1, -16)"), b"\0" * 128),
    "negative once": npy(claim("(-1, 16)"), b"\0" * 128),
    "no numbers": npy(claim("(1, 16)", "'<U2'"), b"\0" * 128),
    "objects that are none": npy(claim("(1, 16)", "'|O'"), b"\0" * 128),
    "records": npy(claim("(1, 8)", "[('a', '<f8'), ('b', '<f8')]"), b"\0" * 128),
    "no header": b"\x93NUMPY",
    "header of the future": b"\x93NUMPY\x09\x00" + b"\0" * 100,
    "deep header": npy("(" * 3000 + ")" * 3000),
    "code in the header": npy(claim("__import__('os').getcwd()")),
    "empty": npy(claim("(0, 16)")),
    "integers": npy(claim("(1, 16)", "'<i8'"), b"\0" * 128),
    "nothing": b"",
    "a web page": b"<!DOCTYPE html>",
    "a zip with nothing": b"PK\x05\x06" + b"\0" * 18,
}


@pytest.mark.parametrize("kind", HEADERS)
def test_arrays_that_are_none(kind, tmp_path, tiny_generator):
    for name, content in (("bare", HEADERS[kind]), ("zipped", zip_up(HEADERS[kind]))):
        (tmp_path / name).write_bytes(content)
        refuse(tmp_path / name, tiny_generator)


def zip_up(content: bytes, name: str = "w.npy") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def test_a_zip_bomb_is_refused_before_it_unfolds(tmp_path, tiny_generator, monkeypatch):
    monkeypatch.setattr("latentedit.arrays.LARGEST", 1000)
    (tmp_path / "bomb.npz").write_bytes(zip_up(npy(claim("(1, 16)"), b"\0" * 2000)))
    assert all("once unpacked" in line for line in refuse(tmp_path / "bomb.npz", tiny_generator))


def test_a_zip_that_lies_about_its_size(tmp_path, tiny_generator):
    content = bytearray(zip_up(npy(claim("(1, 1000)"), b"\0" * 8000)))
    claimed = struct.pack("<I", len(npy(claim("(1, 1000)"), b"\0" * 8000)))
    assert content.count(claimed) == 2
    (tmp_path / "lie.npz").write_bytes(content.replace(claimed, struct.pack("<I", 200)))
    refuse(tmp_path / "lie.npz", tiny_generator)


def test_names_in_a_zip_lead_nowhere(tmp_path):
    row = npy(claim("(1, 16)"), ROW.tobytes())
    (tmp_path / "path.npz").write_bytes(zip_up(row, "../../w.npy"))
    assert list(load_content(tmp_path / "path.npz")) == ["../../w"]
    assert [path.name for path in tmp_path.iterdir()] == ["path.npz"]


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(1, 10**12),
        torch.zeros(1).expand(10**9, 18, 512),
        torch.eye(4).to_sparse(),
        torch.ones(1, 16, dtype=torch.complex64),
        torch.ones(1, 16, dtype=torch.int64),
        torch.empty(1, 0),
        torch.tensor(1.0),
    ],
    ids=str,
)
def test_tensors_that_are_no_plain_numbers(tensor, tmp_path, tiny_generator):
    torch.save(tensor, tmp_path / "tensor.pt")
    refuse(tmp_path / "tensor.pt", tiny_generator)


@pytest.mark.parametrize("length", [10**9, -1])
def test_pickled_arrays_that_do_not_fit_their_bytes(length, tmp_path, tiny_generator):
    content = pickle.dumps(EDIT, 2)
    short, long = b"K\x01K\x10\x86", b"K\x01J" + struct.pack("<i", length) + b"\x86"
    assert content.count(short) == 1
    (tmp_path / "edit.pkl").write_bytes(content.replace(short, long))
    assert "does not fit its bytes" in " ".join(refuse(tmp_path / "edit.pkl", tiny_generator)) or length < 0


def test_a_pickle_that_holds_itself(tmp_path, tiny_generator):
    itself: dict = {}
    itself["lat_comp"] = itself
    faces: dict = {"a": []}
    faces["a"].append(faces)
    for content in (itself, faces):
        (tmp_path / "loop.pkl").write_bytes(pickle.dumps(content))
        refuse(tmp_path / "loop.pkl", tiny_generator)


def test_nan_is_refused_in_use(tmp_path, tiny_generator):
    np.save(tmp_path / "nan.npy", np.full((1, 16), np.nan))
    with pytest.raises(InputError, match="not finite"):
        read_entries(tmp_path / "nan.npy")[0].lay(6)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One small valid file of every container."""
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "npy", ROW)
    np.savez_compressed(folder / "npz.npz", w=ROW)
    np.save(folder / "dict.npy", {"a.jpg": [ROW, ROW]}, allow_pickle=True)
    torch.save(torch.from_numpy(ROW), folder / "torch zip")
    torch.save(OrderedDict(w=torch.from_numpy(ROW)), folder / "torch legacy", _use_new_zipfile_serialization=False)
    (folder / "pkl").write_bytes(pickle.dumps(EDIT))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


SEARCH = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("kind", ["npy.npy", "npz.npz", "dict.npy", "torch zip", "torch legacy", "pkl"])
@SEARCH
@given(draw=st.data())
def test_a_changed_or_cut_file_raises_nothing_else(kind, draw, files, tmp_path, tiny_generator):
    content = bytearray(files[kind])
    if draw.draw(st.booleans()):
        content = content[: draw.draw(st.integers(0, len(content) - 1))]
    else:
        content[draw.draw(st.integers(0, len(content) - 1))] = draw.draw(st.integers(0, 255))
    (tmp_path / "changed").write_bytes(content)
    with contextlib.suppress(InputError):
        for entry in read_entries(tmp_path / "changed"):
            list(entry.oddities())
            entry.lay(6)
    with contextlib.suppress(InputError):
        load_latents(tmp_path / "changed", tiny_generator)


def test_plain_numbers_of_every_writer_are_equal(tmp_path):
    for protocol in range(2, 6):
        (tmp_path / "array.pkl").write_bytes(
            pickle.dumps({"a": ROW, "b": np.asfortranarray(np.arange(6.0).reshape(2, 3))}, protocol)
        )
        content = load_content(tmp_path / "array.pkl")
        assert torch.equal(to_tensor(content["a"]), torch.from_numpy(ROW))
        assert torch.equal(to_tensor(content["b"]), torch.arange(6, dtype=torch.float64).reshape(2, 3))
