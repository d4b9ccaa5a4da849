"""What became of each epoch, as a table and for TensorBoard."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from latentedit.errors import InputError, about
from latentedit.files import replacing
from latentedit.training.predictor import Epoch

Report = Callable[[Sequence[Epoch]], None]


def write_log(path: Path, epochs: Sequence[Epoch]) -> None:
    """Write log.csv, a row an epoch, whole each time: a training that was interrupted leaves no row twice."""
    with about(path), replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*asdict(epochs[0])])
        table.writeheader()
        table.writerows(map(asdict, epochs))


def log_to(outdir: Path, tensorboard: bool = False) -> Report:
    """Make the report that a training gives after each epoch: log.csv, and tensorboard/ if it is wanted."""
    write = _open_tensorboard(outdir / "tensorboard") if tensorboard else None

    def report(epochs: Sequence[Epoch]) -> None:
        write_log(outdir / "log.csv", epochs)
        if write is not None:
            write(epochs)

    return report


def _open_tensorboard(folder: Path) -> Report:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("--tensorboard needs tensorboard: pip install 'latentedit[tensorboard]'") from error

    def write(epochs: Sequence[Epoch]) -> None:
        with SummaryWriter(folder) as writer:
            for name, value in asdict(epochs[-1]).items():
                writer.add_scalar(name, value, len(epochs))

    return write
