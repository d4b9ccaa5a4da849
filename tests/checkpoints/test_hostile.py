"""Files made to run code or to break the reader: every one is refused in one line, and nothing runs."""

from __future__ import annotations

import argparse
import contextlib
import copyreg
import io
import os
import pickle
import re
import resource
import struct
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from configs import make_generator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nvidia_pickle import Reduced, nvidia_modules, persist, write_archive, write_pickle
from tensorflow_pickle import make_network, write_tensorflow
from tensorflow_pickle import write_pickle as write_tensorflow_pickle

from latentedit.checkpoints import TARGETS, Checkpoint, convert, load_generator_file, save_generator
from latentedit.checkpoints.unpickler import Call, unpickle
from latentedit.errors import InputError
from latentedit.networks import Generator, GeneratorConfig, StyleGAN3Config

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


def wrap(payload: object, generator: Generator) -> dict[str, object]:
    """Put a payload into every place of the files that torch.save writes."""
    decoder = {"state_dict": {"decoder.input.input": torch.ones(1, 2, 4, 4)}, "latent_avg": torch.ones(2)}
    return {
        "pti, beside the weights": persist(generator, {"": {"extra": payload}}),
        "pti, as a parameter": persist(generator, {"mapping": {"_buffers": {"w_avg": payload}}}),
        "pti, as a module": persist(generator, {"": {"_modules": {"mapping": payload}}}),
        "pti, in the settings": persist(generator, {"": {"_init_kwargs": {"synthesis_kwargs": payload}}}),
        "D beside G_ema": {"G_ema": persist(generator, {}), "D": payload},
        "state dict": {**generator.state_dict(), "synthesis.b4.const": payload},
        "rosinality, optimizer": {"g_ema": {}, "g_optim": payload},
        "jojogan": {"g": {"input.input": payload}},
        "e4e, opts": {**decoder, "opts": payload},
        "e4e, opts inside": {**decoder, "opts": argparse.Namespace(device=payload)},
        "lucidrains": {"GAN": payload, "version": "1.8.9"},
    }


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", wrap(None, Generator(GeneratorConfig(4, (2,), w_dim=2))))
def test_payload_inside_a_torch_file(
    place: str, zipped: bool, tiny_generator: Generator, tmp_path: Path, trap: Path
) -> None:
    content = wrap(Reduced(os.mkdir, str(trap)), tiny_generator)[place]
    path = write_archive(tmp_path / "hostile.pt", content, zipped)
    harmless = mock.patch("torch_utils.persistence._reconstruct_persistent_obj", dict)
    with contextlib.suppress(Exception), nvidia_modules(), harmless:
        torch.load(path, weights_only=False)
    trap.rmdir()  # fails if the payload is a dud
    assert "refused: it asks for 'posix.mkdir'" in refuse(path, path.read_bytes())


def test_payload_as_the_pickle_of_an_archive(payload: bytes, trap: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "hostile.pt", "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3")
    refuse(tmp_path / "hostile.pt", (tmp_path / "hostile.pt").read_bytes())


@pytest.mark.parametrize("place", ["variables", "static_kwargs", "components", "version", "build_func_name"])
def test_payload_inside_a_tensorflow_pickle(place: str, tiny_generator: Generator, tmp_path: Path, trap: Path) -> None:
    network = make_network(tiny_generator)
    network.state[place] = Reduced(os.mkdir, str(trap))
    path = write_tensorflow_pickle(tmp_path / "hostile.pkl", network)
    assert "refused: it asks for 'posix.mkdir'" in refuse(path, path.read_bytes())


def test_module_source_is_never_run(tiny_generator: Generator, tmp_path: Path, trap: Path) -> None:
    source = f"import os; os.mkdir({str(trap)!r})"
    network = persist(tiny_generator, {})
    network.meta["module_src"] = source
    tensorflow = make_network(tiny_generator)
    tensorflow.state["build_module_src"] = source
    load_generator_file(write_pickle(tmp_path / "network.pkl", {"G_ema": network}))
    load_generator_file(write_tensorflow_pickle(tmp_path / "network.pkl", tensorflow))
    for zipped in (True, False):
        load_generator_file(write_archive(tmp_path / "network.pt", network, zipped))


def bombs() -> dict[str, torch.Tensor]:
    """Tensors that are not what they seem: terabytes of nothing, or no plain numbers."""
    return {
        "of the meta device": torch.empty(10**7, 10**6, device="meta"),
        "one number, repeated": torch.zeros(1).expand(10**7, 10**6),
        "one row, repeated": torch.zeros(1, 8).expand(2**40, 8),
        "sparse": torch.sparse_coo_tensor(torch.zeros(2, 0), torch.zeros(0), (10**7, 10**6), check_invariants=True),
        "integers": torch.ones(8, dtype=torch.int64),
        "complex": torch.ones(8, dtype=torch.complex64),
        "float8": torch.ones(8).to(torch.float8_e4m3fn),
        "empty": torch.ones(0, 8),
    }


BOMBS = pytest.mark.parametrize("bomb", bombs())


@BOMBS
@pytest.mark.parametrize("place", ["synthesis.b16.conv1.weight", "mapping.w_avg", "synthesis.b8.resample_filter"])
def test_bombs_among_nvidias_tensors(bomb: str, place: str, tiny_generator: Generator, tmp_path: Path) -> None:
    torch.save({**tiny_generator.state_dict(), place: bombs()[bomb]}, tmp_path / "bomb.pt")
    refuse_in_little_memory(tmp_path / "bomb.pt")


@BOMBS
@pytest.mark.parametrize("place", ["convs.0.conv.blur.kernel", "to_rgb1.bias", "input.input", "latent_avg"])
def test_bombs_among_rosinalitys_tensors(bomb: str, place: str, files: dict[str, bytes], tmp_path: Path) -> None:
    content = torch.load(io.BytesIO(files["rosinality-pt"]), weights_only=True)
    (content if place == "latent_avg" else content["g_ema"])[place] = bombs()[bomb]
    torch.save(content, tmp_path / "bomb.pt")
    refuse_in_little_memory(tmp_path / "bomb.pt")


def refuse_in_little_memory(path: Path) -> None:
    """Check that a file is refused, and that the peak of this process grows by less than 100 MB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refuse(path, path.read_bytes())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_noise_that_would_fill_the_memory(tmp_path: Path) -> None:
    """Half a million pixels a side from a file of a few kilobytes that leaves its noise maps out."""
    generator = make_generator(GeneratorConfig(8, (1, 1), z_dim=1, w_dim=1, num_mapping_layers=1))
    state = dict(generator.named_parameters())
    for side in (2**i for i in range(4, 20)):
        state |= {name.replace("b8", f"b{side}"): x for name, x in state.items() if ".b8." in name}
    torch.save(state, tmp_path / "bomb.pt")
    assert (tmp_path / "bomb.pt").stat().st_size < 200_000
    refuse_in_little_memory(tmp_path / "bomb.pt")


def test_compressed_archive(tiny_generator: Generator, tmp_path: Path) -> None:
    torch.save({**tiny_generator.state_dict(), "zeros": torch.zeros(10**6)}, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in plain.namelist():
            bomb.writestr(entry, plain.read(entry))
    assert "compressed archive" in refuse(tmp_path / "bomb.pt", (tmp_path / "bomb.pt").read_bytes())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["mapping.fc0.weight", "synthesis.b8.conv1.noise_const"])
def test_weights_that_are_not_finite(name: str, value: float, tiny_generator: Generator, tmp_path: Path) -> None:
    state = {key: x.clone() for key, x in tiny_generator.state_dict().items()}
    state[name].view(-1)[3] = value
    torch.save(state, tmp_path / "g.pt")
    assert f"{name} is not finite" in refuse(tmp_path / "g.pt", (tmp_path / "g.pt").read_bytes())


def test_large_weights_are_finite(tiny_generator: Generator, tmp_path: Path) -> None:
    state = {key: x.clone() for key, x in tiny_generator.state_dict().items()}
    state["mapping.fc0.weight"].fill_(3e38)  # whose sum is not
    torch.save(state, tmp_path / "g.pt")
    load_generator_file(tmp_path / "g.pt")


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
        (program(name("dnnlib.tflib.tfutil", "run")), "refused"),
        (program(name("dnnlib.tflib.network", "Network"), b"}b"), "damaged"),
        (program(name("\x1b[31mos", "sys\x07tem")), "refused"),
        (program(text("7"), b"Q"), "damaged"),
        (program(b"Nr\xff\xff\xff\x7f"), "holds no networks"),
        (b"\x80\x02Np2000000000\n.", "holds no networks"),
        (program(b"\x8e" + struct.pack("<Q", 2**62)), "damaged"),
        (program(b"\x95" + struct.pack("<Q", 2**62), b"N"), "holds no networks"),
        (program(b"K\x07"), "holds no networks"),
        (program(b"]"), "holds no networks"),
        (program(b"}"), "holds no G_ema"),
        (program(b")"), "holds no networks"),
        (b"\x80\x04", "damaged"),
        (b"\x80\xffN.", "damaged"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\xef\xbb\xbf\n <html>", "web page"),
        (b"", "empty"),
        (b"cos\nsystem\n(S'true'\ntR.", "no checkpoint"),
        (b"\x89PNG\r\n\x1a\n", "no checkpoint"),
        (b"PK\x03\x04 and no zip", "damaged"),
        (struct.pack("<Q", 9_000_000) + b"{}", "cut short"),
        (struct.pack("<Q", 2) + b"{}", "holds no G_ema"),
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
def files(tiny_generator: Generator, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One small valid file of every format."""
    folder = tmp_path_factory.mktemp("files")
    network = persist(tiny_generator, {})
    write_pickle(folder / "nvidia", {"G_ema": network})
    write_tensorflow(folder / "tensorflow", tiny_generator)
    write_archive(folder / "pti zip", network)
    write_archive(folder / "pti legacy", network, zipped=False)
    save_generator(folder / "latentedit", tiny_generator)
    stylegan3 = Generator(StyleGAN3Config(16, (5, 4, 3), z_dim=5, w_dim=6))
    write_pickle(folder / "nvidia stylegan3", {"G_ema": persist(stylegan3, {})})
    save_generator(folder / "latentedit stylegan3", stylegan3)
    square = make_generator(GeneratorConfig(16, (6, 5, 4), z_dim=8, w_dim=8, num_mapping_layers=2))
    for target in ("rosinality-pt", "nvidia-pt", "nvidia-safetensors"):
        convert(Checkpoint(square, "nvidia"), folder / f"{target}{TARGETS[target][0][0]}", target)
    content = torch.load(folder / "rosinality-pt.pt", weights_only=True)
    torch.save(content, folder / "rosinality legacy", _use_new_zipfile_serialization=False)
    decoder = {f"decoder.{name}": x for name, x in content["g_ema"].items()}
    torch.save({"state_dict": decoder, "opts": argparse.Namespace(device="cpu")}, folder / "e4e")
    for path in folder.iterdir():
        load_generator_file(path)
    return {path.stem: path.read_bytes() for path in folder.iterdir()}


FORMATS = pytest.mark.parametrize(
    "format",
    [
        "nvidia",
        "nvidia stylegan3",
        "tensorflow",
        "pti zip",
        "pti legacy",
        "nvidia-pt",
        "nvidia-safetensors",
        "rosinality-pt",
        "rosinality legacy",
        "e4e",
        "latentedit",
        "latentedit stylegan3",
    ],
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


@pytest.mark.parametrize("format", ["nvidia-pt", "rosinality-pt", "e4e"])
@SEARCH
@given(draw=st.data())
def test_tensors_gone_or_of_another_shape(
    format: str, draw: st.DataObject, files: dict[str, bytes], tmp_path: Path
) -> None:
    """Whatever is left of a state dict is refused in one line, unless it is still a generator."""
    content = torch.load(io.BytesIO(files[format]), weights_only=False)
    state = content if format == "nvidia-pt" else content["g_ema" if format == "rosinality-pt" else "state_dict"]
    names = st.sampled_from(sorted(state))
    for name in draw.draw(st.sets(names, max_size=20)):
        del state[name]
    for name in draw.draw(st.sets(names, max_size=3)):
        state[name] = torch.ones(draw.draw(st.lists(st.integers(0, 4), max_size=5)))
    torch.save(content, tmp_path / "g.pt")
    with contextlib.suppress(InputError):
        load_generator_file(tmp_path / "g.pt")
