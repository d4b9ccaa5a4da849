"""What a reader may do with a hostile file, and what counts as a finding."""

from __future__ import annotations

import hashlib
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from latentedit.errors import LONGEST_LINE, InputError

LONGEST = LONGEST_LINE + 200  # characters of a line beside the path
MOST_SECONDS = 5.0  # of CPU time
ROOM = 2 << 30  # bytes of address space beyond what the process has when the fuzzing starts
PROGRAMS = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.kill", "subprocess.", "pty.")
CODE = ("exec", "code.__new__", "ctypes.", "pickle.find_class", "sys.settrace", "sys.setprofile", "builtins.input")
FILES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
PLACES = ("shutil.", "tempfile.", "socket.", "urllib.", "http.", "ftplib.", "webbrowser.")
FORBIDDEN = (*PROGRAMS, *CODE, *FILES, *PLACES)  # the beginnings of audit events that no reader raises
IMPORTABLE = ("PIL.", "encodings.", "numpy.", "torch.", "latentedit.")  # by the reader's own libraries, when needed


@dataclass(frozen=True)
class Finding:
    """One way in which a reader failed: the kind, what was seen, and where."""

    kind: str
    detail: str
    stack: str

    @property
    def identity(self) -> str:
        """The same for all inputs that fail in the same place."""
        places = [line.strip() for line in self.stack.splitlines() if line.lstrip().startswith("File ")]
        return hashlib.sha256("|".join([self.kind, *places[-6:]]).encode()).hexdigest()[:12]


class Judge:
    """Run readers on files, and tell what they must not do."""

    def __init__(self) -> None:
        self.events: list[Finding] = []
        self.is_watching = False
        sys.addaudithook(self._watch)

    def __call__(self, read: Callable[[Path], list[str]], path: Path) -> Finding | None:
        """Read a file: None where the reader succeeds or raises one line that names the file, else what is wrong."""
        self.events, self.is_watching, start = [], True, time.process_time()
        try:
            found = _judge_lines(read(path))
        except InputError as error:
            self.is_watching = False
            found = _judge_error(error, path)
        except Exception as error:
            self.is_watching = False
            found = Finding("traceback", type(error).__name__, traceback.format_exc())
        finally:
            self.is_watching = False
        seconds = time.process_time() - start
        if seconds > MOST_SECONDS:
            self.events.append(Finding("time", f"{seconds:.1f} s", ""))
        return self.events[0] if self.events else found

    def _watch(self, event: str, args: tuple[object, ...]) -> None:
        if self.is_watching and _is_forbidden(event, args):
            self.is_watching = False
            self.events.append(Finding("act", f"{event} {str(args)[:200]}", "".join(traceback.format_stack())))
            self.is_watching = True


def _is_forbidden(event: str, args: tuple[object, ...]) -> bool:
    if event == "open":
        _, mode, flags = args
        return bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) or "w" in str(mode or "")
    if event == "exec" and not args[0].co_filename.startswith("<"):
        return False  # a module, whose import was judged
    if event == "import":
        return not str(args[0]).startswith(IMPORTABLE)
    return event.startswith(FORBIDDEN)


def _judge_lines(lines: list[str]) -> Finding | None:
    for line in lines:
        if not line.isprintable():
            return Finding("unprintable", repr(line[:200]), "")
    return None


def _judge_error(error: InputError, path: Path) -> Finding | None:
    """Look for a line that is none, and for memory that ran out behind it."""
    line, stack = str(error), "".join(traceback.format_exception(error))
    if not line.isprintable() or len(line) > LONGEST + len(str(path)) or str(path) not in line:
        return Finding("line", repr(line[:300]), stack)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or "can't allocate memory" in str(cause):
            return Finding("memory", repr(cause)[:200], stack)
        cause = cause.__cause__ or cause.__context__
    return None


def limit_memory() -> None:
    """Let this process take no more than `ROOM` beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, resource.RLIM_INFINITY))
