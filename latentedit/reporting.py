"""What a command leaves behind: its files all together or none, and run.json that says how they came about."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from latentedit.errors import InputError


@contextmanager
def staged(outdir: Path) -> Iterator[Path]:
    """Yield an empty folder whose files move into `outdir` at the end, or vanish if an error is raised."""
    missing = [folder for folder in (outdir, *outdir.parents) if not folder.exists()]
    try:
        outdir.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".latentedit-", dir=outdir))
        try:
            yield stage
            _move(sorted(stage.iterdir()), outdir)
            missing = []
        finally:
            shutil.rmtree(stage)
    except OSError as error:
        raise InputError(f"{outdir} can't be written ({error.strerror}): mend that or name another folder") from error
    finally:
        for folder in missing:  # the ones made above, innermost first
            with suppress(OSError):
                folder.rmdir()


def _move(files: list[Path], outdir: Path) -> None:
    """Move files into a folder, over older files of the same names but never over a folder."""
    for file in files:
        if (outdir / file.name).is_dir():
            raise InputError(f"{outdir / file.name} is a folder: move it away or name another --outdir")
    for file in files:
        os.replace(file, outdir / file.name)


def write_run(folder: Path, **facts: Any) -> None:
    """Write run.json: the versions and the command line, with the facts that the caller gives."""
    run = {
        "command": sys.argv,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("latentedit", "torch", "numpy")},
        "python": platform.python_version(),
        **facts,
    }
    (folder / "run.json").write_text(json.dumps(run, indent=2, allow_nan=False) + "\n")
