"""run.json: how the files beside it came about."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from latentedit.files import staged


def write_run(folder: Path, **facts: Any) -> None:
    """Write run.json: versions, command line, the facts that the caller gives, and the files that lie beside it."""
    run = {
        "command": sys.argv,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("latentedit", "torch", "numpy")},
        "python": platform.python_version(),
        **facts,
        "files": {path.name: _digest(path) for path in sorted(folder.iterdir())},
    }
    (folder / "run.json").write_text(json.dumps(run, indent=2, allow_nan=False) + "\n")


@contextmanager
def recorded(outdir: Path, reads: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder whose files take the place of those that an earlier run left in `outdir`.

    The earlier run.json lists them. One that was changed since, or that this run `reads`, stays.
    """
    earlier = _list_files(outdir)
    with staged(outdir) as folder:
        yield folder
        written = {path.name for path in folder.iterdir()}
    for path in earlier:
        if path.name not in written and not (reads is not None and path.samefile(reads)):
            path.unlink()


def _list_files(outdir: Path) -> list[Path]:
    """List the files that run.json names and that still are as that run left them."""
    try:
        run = json.loads((outdir / "run.json").read_bytes())
    except (OSError, ValueError, RecursionError):  # no run.json, or somebody else's
        return []
    match run:
        case {"files": dict() as files}:
            known = [(outdir / name, digest) for name, digest in files.items() if Path(name).name == name]
            return [path for path, digest in known if path.is_file() and _digest(path) == digest]
    return []


def _digest(path: Path) -> str:
    """Hash a file by SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
