"""run.json: how the files beside it came about."""

from __future__ import annotations

import datetime
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any


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
