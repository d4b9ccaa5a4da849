"""A photograph that a visitor sent: aligned and inverted in the background, and never written where it stays."""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
from pathlib import Path
from typing import Literal

from torch import Tensor

from latentedit.downloads import find_item, path_of, switches
from latentedit.errors import InputError, one_line
from latentedit.explorer.workshop import Workshop
from latentedit.inversion import Portrait, ProjectionSettings, open_portraits, project
from latentedit.inversion.portraits import open_aligned

State = Literal["waiting", "looking", "inverting", "done", "failed"]
_one_at_a_time = threading.Lock()
_numbers = itertools.count()


class Upload:
    """The way of one photograph to its latents: `state` and `step`, then `ws`, or a `failure` of one line."""

    def __init__(
        self, workshop: Workshop, name: str, content: bytes, is_aligned: bool, settings: ProjectionSettings
    ) -> None:
        self.number = next(_numbers)
        self.workshop, self.name, self.is_aligned = workshop, name, is_aligned
        self.settings = settings
        self.state: State = "waiting"
        self.step = 0
        self.failure: str | None = None
        self.crop: Tensor | None = None  # [3, R, R]
        self.ws: Tensor | None = None
        self._cancelled = threading.Event()
        self._content: bytes | None = content
        threading.Thread(target=self._run, daemon=True).start()

    def cancel(self) -> None:
        """Stop at the next step."""
        self._cancelled.set()

    def _run(self) -> None:
        """Invert, one photograph at a time on this machine; whatever goes wrong becomes one line."""
        try:
            with _one_at_a_time, switches(offline=True):
                self._check()
                self._invert()
                self.state = "done"
        except _Cancelled:
            self.state, self.failure = "failed", "given up"
        except InputError as error:
            self.state, self.failure = "failed", one_line(error)
        except Exception:  # a file that anybody may have made
            self.state, self.failure = "failed", f"{self.name} can't be used: give another photograph"
        finally:
            self._content = None

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise _Cancelled

    def _invert(self) -> None:
        """Find the face and then its latents."""
        self.state = "looking"
        self.crop = self._open().crop(self.workshop.config.img_resolution)
        self.state = "inverting"
        generator = self.workshop.generator
        target = self.crop[None].to(generator.mapping.w_avg.device)
        found = project(
            generator, target, self.settings, class_index=self.workshop.class_index, on_step=self._note_step
        )
        self.ws = found.latents

    def _open(self) -> Portrait:
        """Decode and align; the file lives as long as that takes."""
        with tempfile.TemporaryDirectory(prefix="latentedit-") as folder:
            path = Path(folder) / "photograph"
            path.write_bytes(self._content or b"")
            try:
                return (open_aligned([path]) if self.is_aligned else _find_portraits([path]))[0]
            except InputError as error:
                raise InputError(str(error).replace(str(path), self.name)) from error

    def _note_step(self, step: int) -> None:
        self.step = step
        self._check()


class _Cancelled(Exception):
    pass


def _find_portraits(paths: list[Path]) -> list[Portrait]:
    """Find faces with the detector that is here: the page downloads nothing."""
    item = find_item("yunet", "detector")
    if not os.environ.get("LATENTEDIT_YUNET") and not (item and path_of(item).exists()):
        raise InputError("finding a face needs YuNet: `latentedit models get yunet`, or tick 'cut out already'")
    return open_portraits(paths)
