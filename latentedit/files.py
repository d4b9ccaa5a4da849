"""Where the user's own files lie, and writing files whole or not at all, alone or together."""

from __future__ import annotations

import glob
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from latentedit.errors import InputError

LARGEST_SMALL = 2**20  # bytes: JSON takes twenty times as many in memory


def home() -> Path:
    """Name the folder of the user's own directions and downloads: LATENTEDIT_HOME, or ~/.latentedit."""
    return Path(os.environ.get("LATENTEDIT_HOME") or Path.home() / ".latentedit")


def require_regular(path: Path) -> None:
    """Raise InputError for a pipe, which may wait for ever, and a device, which may never end."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"{path} is a pipe or a device: copy what it holds to a file and give that")


def read_small(path: Path) -> bytes:
    """Read a file that is small by its nature, such as a list."""
    require_regular(path)
    if path.stat().st_size > LARGEST_SMALL:
        raise InputError(f"{path} has more than {LARGEST_SMALL >> 20} MiB: it must be another file")
    return path.read_bytes()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`: it becomes `path` at the end, or vanishes if an error is raised.

    What a process of this machine that was killed left of its own `path` vanishes first.
    """
    start = f".{path.name}.{platform.node()}."
    temporary = path.with_name(f"{start}{os.getpid()}.tmp")
    _sweep(path.parent, start)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(folder: Path, start: str) -> None:
    """Remove the temporary files of processes that are gone."""
    for left in folder.glob(f"{glob.escape(start)}*.tmp"):
        pid = left.name.removeprefix(start).removesuffix(".tmp")
        if pid.isdecimal() and not _runs(int(pid)):
            with suppress(OSError):
                left.unlink()


def _runs(pid: int) -> bool:
    """Tell whether a process may be running; Windows, where asking would end it, is not asked."""
    try:
        if os.name == "posix":
            os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # another user's
    return True


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
