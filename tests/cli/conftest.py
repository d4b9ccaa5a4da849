import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from latentedit.checkpoints import fingerprint, save_generator
from latentedit.cli.main import main
from latentedit.direction import Direction
from latentedit.library import store_direction


@dataclass(frozen=True)
class Result:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def facts(self):
        return json.loads(self.out)


@pytest.fixture
def network(scorable_generator, tmp_path) -> Path:
    """The tiny generator as a file, with the directions `up` and `side` in the user's library."""
    path = tmp_path / "tiny.safetensors"
    save_generator(path, scorable_generator, source="random weights", licence="CC0 1.0")
    random = torch.Generator().manual_seed(0)
    for name in ("up", "side"):
        row = torch.nn.functional.normalize(torch.randn(1, 16, generator=random).double())
        store_direction(Direction(name, row.repeat(8, 1), tuple(range(8)), sigma=0.5), fingerprint(scorable_generator))
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command in this process."""

    def run_command(*arguments: object) -> Result:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run_command


@pytest.fixture
def refuse(run: Callable[..., Result]) -> Callable[..., None]:
    """Check that a command says one line with `expected` in it, and leaves a folder as it was."""

    def check(arguments: Sequence[object], expected: str, folder: Path) -> None:
        before = sorted(folder.rglob("*"))
        done = run(*arguments)
        assert done.code == 2
        assert done.out == ""
        assert expected in done.err
        assert done.err.startswith("latentedit")
        assert done.err.count("\n") == 1
        assert sorted(folder.rglob("*")) == before

    return check
