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
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any


@contextmanager
def staged(outdir: Path) -> Iterator[Path]:
    """Yield an empty folder whose files move into `outdir` at the end, or vanish if an error is raised."""
    missing = [folder for folder in (outdir, *outdir.parents) if not folder.exists()]
    outdir.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".latentedit-", dir=outdir))
    try:
        yield stage
        for file in sorted(stage.iterdir()):
            os.replace(file, outdir / file.name)
        missing = []
    finally:
        shutil.rmtree(stage)
        for folder in missing:  # the ones made above, innermost first
            folder.rmdir()


def write_run(folder: Path, **facts: Any) -> None:
    """Write run.json: the versions and the command line, with the facts that the caller gives."""
    run = {
        "command": sys.argv,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("latentedit", "torch", "numpy")},
        "python": platform.python_version(),
        **facts,
    }
    (folder / "run.json").write_text(json.dumps(run, indent=2) + "\n")
