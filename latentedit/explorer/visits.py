"""Who looks at the page: each with a photograph of their own, none of which outlives the visit."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from torch import Tensor

from latentedit.explorer.upload import Upload

MOST = 64  # visits that are remembered, the longest unseen goes first


class UnknownVisit(Exception):
    """A visit that this server does not know: it was started anew, or has seen too many others since."""


@dataclass(eq=False)
class Visit:
    """One open page: its newest request, and its photograph."""

    name: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    newest: int = 0
    upload: Upload | None = None

    @property
    def photo(self) -> Tensor | None:
        """The photograph's ws [1, num_ws, w_dim], once they are found."""
        return None if self.upload is None else self.upload.ws

    def is_stale(self, number: int) -> bool:
        """Tell whether the page has asked for something newer since."""
        return number < self.newest

    def replace_upload(self, upload: Upload | None) -> None:
        """Take another photograph; the one before is given up."""
        if self.upload is not None:
            self.upload.cancel()
        self.upload = upload


class Visits:
    """All visits, by the name that only their page knows."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Visit] = OrderedDict()
        self._lock = threading.Lock()

    def open(self) -> Visit:
        """Begin a visit."""
        visit = Visit()
        with self._lock:
            self._known[visit.name] = visit
            gone = self._known.popitem(last=False)[1] if len(self._known) > MOST else None
        if gone is not None:
            gone.replace_upload(None)
        return visit

    def find(self, name: str) -> Visit:
        """Find a visit; raise UnknownVisit where there is none."""
        with self._lock:
            if name not in self._known:
                raise UnknownVisit
            self._known.move_to_end(name)
            return self._known[name]
