"""Weights are read from their file once, when they are wanted, and never more than the file holds."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from configs import make_generator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nvidia_pickle import persist, write_archive, write_pickle
from tensorflow_pickle import write_tensorflow

from latentedit.checkpoints import Checkpoint, convert, load_generator_file, save_generator
from latentedit.checkpoints.archive import load_archive, open_archive
from latentedit.checkpoints.inert import Call
from latentedit.checkpoints.stored import HeldBytes, Span, StoredTensor, Text, WeightFile
from latentedit.checkpoints.unpickler import rebuild_array, unpickle
from latentedit.errors import InputError
from latentedit.networks import Generator, GeneratorConfig

ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@ONE_FILE
@given(
    size=st.lists(st.integers(0, 4), max_size=3),
    stride=st.lists(st.integers(0, 5), min_size=3, max_size=3),
    offset=st.integers(0, 4),
    in_memory=st.booleans(),
)
def test_a_layout_reads_as_torch_lays_it_out(
    size: list[int], stride: list[int], offset: int, in_memory: bool, tmp_path: Path
) -> None:
    numbers = torch.arange(60.0)
    (tmp_path / "f").write_bytes(b"head" + numbers.numpy().tobytes())
    held = HeldBytes(numbers.numpy().tobytes()).span
    span = held if in_memory else Span(WeightFile(tmp_path / "f"), 4, 240)
    stored = StoredTensor(span, torch.float32, offset, tuple(size), tuple(stride[: len(size)]))
    assert torch.equal(stored.read(), numbers.as_strided(size, stride[: len(size)], offset))


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (61,), (1,)),
        (60, (), ()),
        (-1, (2,), (1,)),
        (5, (2,), (-1,)),
        (0, (-1,), (1,)),
        (0, ("2",), (1,)),
        (0, (2,), ()),
    ],
)
def test_a_layout_that_does_not_fit(
    offset: int, size: tuple[int, ...], stride: tuple[int, ...], tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(bytes(1000))
    span = Span(WeightFile(tmp_path / "f"), 0, 240)
    with pytest.raises(InputError, match="damaged: a tensor in it does not fit its storage"):
        StoredTensor(span, torch.float32, offset, size, stride).read()


@given(start=st.integers(0, 9000), length=st.integers(1, 9000))
def test_what_is_looked_at_is_what_is_read(start: int, length: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "looked-at"
    path.write_bytes(content := bytes(i % 251 for i in range(18_000)))
    seen = WeightFile(path).look(start, length)
    assert seen.tobytes() == content[start : start + length]
    assert not seen.flags.writeable


def test_a_file_that_grew_shorter(tmp_path: Path) -> None:
    """Looking beyond its end would kill the process."""
    (tmp_path / "f").write_bytes(bytes(9000))
    file = WeightFile(tmp_path / "f")
    (tmp_path / "f").write_bytes(bytes(4000))
    for take in (file.read, file.look):
        with pytest.raises(InputError, match="cut short while it was read: fetch it again"):
            take(3000, 2000)


def test_the_same_bytes_again_and_again(tmp_path: Path) -> None:
    """A file of 8 MB whose tensors would fill gigabytes."""
    weights = torch.zeros(2_000_000)
    torch.save({"synthesis.b4.const": weights, **{f"x{i}": weights for i in range(500)}}, tmp_path / "g.pt")
    with pytest.raises(InputError, match=r"g\.pt: refused: its tensors claim the same bytes again and again"):
        load_generator_file(tmp_path / "g.pt")


@pytest.mark.parametrize("suffix", [".pt", ".pkl"])
def test_only_the_generator_is_read(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What training keeps beside it, here 4 MB, stays in the file."""
    generator = make_generator(GeneratorConfig(16, (40, 40, 40), z_dim=8, w_dim=8, num_mapping_layers=1))
    content = {"G_ema": persist(generator, {}), "D": torch.ones(1_000_000)}
    (write_pickle if suffix == ".pkl" else write_archive)(tmp_path / f"g{suffix}", content)
    lengths, charge = [], WeightFile._charge

    def count(file: WeightFile, start: int, length: int) -> None:
        lengths.append(length)
        charge(file, start, length)

    monkeypatch.setattr(WeightFile, "_charge", count)
    load_generator_file(tmp_path / f"g{suffix}")
    assert 0 < sum(lengths) < 1_000_000


def test_an_archive_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    flat = torch.randn(40)
    torch.save(
        {"all": flat, "row": [flat[3:9]], "turned": flat.reshape(5, 8).T, "half": (flat[0].half(),)}, tmp_path / "a"
    )
    found, expected = open_archive(tmp_path / "a"), load_archive(tmp_path / "a")
    assert isinstance(found, dict)
    assert isinstance(expected, dict)
    assert torch.equal(found["turned"].read(), expected["turned"])
    assert torch.equal(found["row"][0].read(), expected["row"][0])
    assert torch.equal(found["half"][0].read(), expected["half"][0])


def test_an_older_torch_that_does_not_say_where_storages_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"x": torch.ones(3)}, tmp_path / "a")
    monkeypatch.setattr("latentedit.checkpoints.archive._Locator.locate", lambda *_: torch.ones(1).none_such)
    assert torch.equal(open_archive(tmp_path / "a")["x"], torch.ones(3))  # type: ignore[index]


def test_a_file_that_is_overwritten_in_place(tiny_generator: Generator, tmp_path: Path) -> None:
    """The weights are a copy: nobody's later writing reaches them."""
    for path in (tmp_path / "g.safetensors", tmp_path / "g.pt"):
        save_generator(path, tiny_generator) if path.suffix == ".safetensors" else torch.save(
            tiny_generator.state_dict(), path
        )
        generator = load_generator_file(path).generator
        path.write_bytes(b"")
        for name, tensor in tiny_generator.state_dict().items():
            assert torch.equal(generator.state_dict()[name], tensor)


@pytest.mark.parametrize("is_enabled", [True, False])
def test_garbage_collection_goes_on_as_before(is_enabled: bool, tmp_path: Path) -> None:
    (gc.enable if is_enabled else gc.disable)()
    try:
        with pytest.raises(InputError):
            load_generator_file(tmp_path / "none")
        assert gc.isenabled() == is_enabled
    finally:
        gc.enable()


def test_opening_imports_what_it_needs(data: Path) -> None:
    """Arithmetic on the meta device would import torch's compiler, which takes seconds."""
    names = ["stylegan2-64.pkl", "stylegan3-t-64.pkl", "stylegan2-64-rosinality.pt"]
    code = (
        "import sys; from latentedit.checkpoints import load_generator_file as load\n"
        "for path in sys.argv[1:]: load(path)\n"
        "unwanted = ('sympy', 'torch._dynamo', 'safetensors', 'latentedit.downloads.partial')\n"
        "print([name for name in unwanted if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, *(str(data / name) for name in names)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_opening_takes_one_core(tmp_path: Path) -> None:
    """Torch's threads, which wait for each other, take ten times as long as one on a busy machine.

    They stay for good; those that turn TensorFlow's kernels end with the opening, a moment after they were joined.
    """
    generator = make_generator(GeneratorConfig(8, (72, 72), z_dim=256, w_dim=256, num_mapping_layers=2))
    save_generator(tmp_path / "g.safetensors", generator)
    write_pickle(tmp_path / "g.pkl", {"G_ema": persist(generator, {})})
    write_tensorflow(tmp_path / "tensorflow.pkl", generator)
    convert(Checkpoint(generator, "test"), tmp_path / "g.pt", "rosinality-pt")
    code = (
        "import sys, time, torch; torch.set_num_threads(2); from pathlib import Path\n"
        "from latentedit.checkpoints import load_generator_file as load\n"
        "count = lambda: len(list(Path('/proc/self/task').iterdir()))\n"
        "before = count()\n"
        "for path in sys.argv[1:]: load(path)\n"
        "end = time.monotonic() + 10\n"
        "while count() > before and time.monotonic() < end: time.sleep(0.01)\n"
        "print(count() - before)"
    )
    command = [sys.executable, "-c", code, *map(str, tmp_path.iterdir())]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "0\n"


@pytest.mark.parametrize("protocol", [2, 4])
def test_long_bytes_stay_in_the_file(protocol: int, tmp_path: Path) -> None:
    """Protocol 2 spells bytes as text, in which half of them take two."""
    numbers = np.arange(2**21, dtype=np.int32).view(np.float32)  # 8 MiB
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([numbers, "é" * 5000], protocol))
    tracemalloc.start()
    try:
        array, text = unpickle(tmp_path / "a.pkl")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert rebuild_array(array).tobytes() == numbers.tobytes()
    assert isinstance(text, Text)


def test_text_that_spells_no_bytes(tmp_path: Path) -> None:
    shape = Call("numpy.core.multiarray._reconstruct", ())
    for text in ("é" * 5000 + "€", "€"):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(text, 2))
        shape.state = (1, (5001,), Call("numpy.dtype", ("i4",)), False, unpickle(tmp_path / "a.pkl"))
        shape.state[2].state = (3, "<", None)
        with pytest.raises(InputError, match="damaged: bytes expected in it"):
            rebuild_array(shape)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_killed_while_it_writes(suffix: str, tiny_generator: Generator, tmp_path: Path) -> None:
    """At any point the file is the old one or the new one."""
    path, source = tmp_path / f"g{suffix}", tmp_path / "source.safetensors"
    target = "latentedit" if suffix == ".safetensors" else "nvidia-pt"
    convert(Checkpoint(tiny_generator, "nvidia"), path, target)
    save_generator(source, Generator(GeneratorConfig(64, (64,) * 5, z_dim=8, w_dim=8, num_mapping_layers=1)))
    whole = [load_generator_file(file).fingerprint for file in (path, source)]
    done = subprocess.run([sys.executable, "-c", KILL, source, path, target, *whole], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


KILL = """
import os, signal, sys, time
from pathlib import Path
import torch
from latentedit.checkpoints import convert, load_generator_file

torch.set_num_threads(1)
source, path, target, *whole = sys.argv[1:]
checkpoint = load_generator_file(source)


def look():
    return os.listdir(Path(path).parent), os.stat(path).st_mtime_ns


for delay in (0.0, 0.003, 0.01, 0.05):
    before, end = look(), time.monotonic() + 30
    if not (child := os.fork()):
        while True:
            convert(checkpoint, path, target)
    while look() == before and time.monotonic() < end:
        time.sleep(0.0001)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert load_generator_file(path).fingerprint in whole, delay
"""
