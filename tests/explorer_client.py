"""A page server in a thread, and a client that speaks to it as the page does."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from web_server import running

from latentedit.explorer import PageServer, Workshop


@contextmanager
def serving(workshop: Workshop, **settings: Any) -> Iterator[PageServer]:
    """Run a page's server for the length of a block."""
    with running(PageServer(workshop, **settings)) as server:
        yield server


class Client:
    """One visitor without a browser."""

    def __init__(self, server: PageServer) -> None:
        self.port = server.server_address[1]
        self.visit = ""
        self.about = self.ask("/visit", {})
        self.visit = self.about["visit"]
        self.number = 0

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, Any]:
        """Send a request: -> status, body and headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {"X-Visit": self.visit, **named})
            reply = connection.getresponse()
            return reply.status, reply.read(), reply.headers
        finally:
            connection.close()

    def ask(self, path: str, data: Any) -> Any:
        """Ask as the page does."""
        status, content, _ = self.send("POST", path, json.dumps(data).encode(), Content_Type="application/json")
        assert status == 200, content
        return json.loads(content)

    def paint(self, **setting: Any) -> Any:
        """Ask for a face."""
        self.number += 1
        return self.ask("/face", {"number": self.number, **setting})
