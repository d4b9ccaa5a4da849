"""The page's server: on 127.0.0.1 alone, for pages that it served itself alone, with a limit on all that comes in."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from latentedit.errors import InputError, one_line
from latentedit.explorer import answers
from latentedit.explorer.keepsakes import save
from latentedit.explorer.visits import UnknownVisit, Visit, Visits
from latentedit.explorer.workshop import Workshop
from latentedit.inversion import ProjectionSettings

PAGE = Path(__file__).parent / "page"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    **{
        f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8")
        for name in ("app", "controls", "faces", "photo", "server")
    },
}
ANSWERS: dict[str, Callable[[Workshop, Visit, Any], answers.Answer]] = {
    "/face": answers.face,
    "/strip": answers.strip,
    "/explain": answers.explain,
    "/progress": answers.progress,
    "/forget": answers.forget,
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
MOST_JSON = 1 << 16  # bytes
MOST_UPLOAD = 20 << 20
LONGEST_NAME = 80  # characters
LONGEST_SILENCE = 60  # seconds in which a connection may say nothing


class PageServer(ThreadingHTTPServer):
    """Serves one workshop on 127.0.0.1; `url` is where, port 0 any that is free."""

    daemon_threads = True

    def __init__(self, workshop: Workshop, port: int = 0, settings: ProjectionSettings | None = None) -> None:
        self.workshop, self.settings, self.visits = workshop, settings or ProjectionSettings(), Visits()
        super().__init__(("127.0.0.1", port), Handler)
        self.hosts = {f"{name}:{self.server_address[1]}" for name in ("127.0.0.1", "localhost")}

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that break off."""


class Refusal(Exception):
    """An answer that is no success: a status and one line."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "latentedit", ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = LONGEST_SILENCE

    def do_GET(self) -> None:
        """Send a file of the page."""
        self._answer(self._send_file)

    def do_POST(self) -> None:
        """Answer the page."""
        self._answer(self._send_answer)

    def log_message(self, *_: object) -> None:
        """Print nothing: what visitors do is theirs."""

    def _answer(self, send: Callable[[], None]) -> None:
        """Send what is asked for, or one line that says why not."""
        try:
            self._check_origin()
            send()
        except Refusal as refusal:
            self.close_connection = True  # part of its body may still be on the way
            self._send_json({"error": one_line(refusal)}, refusal.status)
        except InputError as error:  # a visitor's mistake is an answer like others, not a failure of the page
            self._send_json({"error": one_line(error)})
        except UnknownVisit:
            self._send_json({"error": "this visit is not known here: begin anew"}, 410)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:
            self.close_connection = True
            self._send_json({"error": one_line(f"{type(error).__name__}: {error}")}, 500)

    def _check_origin(self) -> None:
        """Refuse pages of other servers, also those that call themselves by this address (DNS rebinding)."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host not in self.server.hosts:
            raise Refusal(403, f"host {host[:60]!r} is not this machine")
        if origin is not None and origin.removeprefix("http://") not in self.server.hosts:
            raise Refusal(403, "this page was not served from here")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            raise Refusal(403, "another page asks")

    def _send_file(self) -> None:
        path = self.path.partition("?")[0]
        if path not in FILES:
            raise Refusal(404, "there is no such page")
        name, type = FILES[path]
        self._send((PAGE / name).read_bytes(), type)

    def _send_answer(self) -> None:
        workshop, visits = self.server.workshop, self.server.visits
        if self.path == "/photo":
            self._send_json(self._receive_photo())
            return
        data = self._read_json()
        if self.path == "/visit":
            self._send_json(answers.describe(workshop, visits.open(), data))
        elif self.path == "/save":
            content, name, type = save(workshop, self._find_visit(), data)
            self._send(content, type, name)
        elif self.path in ANSWERS:
            self._send_json(ANSWERS[self.path](workshop, self._find_visit(), data))
        else:
            raise Refusal(404, "there is no such answer")

    def _find_visit(self) -> Visit:
        return self.server.visits.find(self.headers.get("X-Visit", ""))

    def _receive_photo(self) -> answers.Answer:
        """Take an upload, whose name is in a header."""
        visit = self._find_visit()
        content = self._read("application/octet-stream", MOST_UPLOAD)
        name = Path(unquote(self.headers.get("X-Name", ""))).name[-LONGEST_NAME:]
        is_aligned = self.headers.get("X-Aligned") == "yes"
        name = one_line(name) or "photograph"
        return answers.receive(self.server.workshop, visit, name, content, is_aligned, self.server.settings)

    def _read_json(self) -> Any:
        try:
            data = json.loads(self._read("application/json", MOST_JSON))
        except (ValueError, RecursionError):
            raise InputError("this is no JSON") from None
        if not isinstance(data, dict):
            raise InputError("this is no object of JSON")
        return data

    def _read(self, type: str, most: int) -> bytes:
        """Read a body of this type, whose length is said beforehand."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Content-Type") != type:
            raise Refusal(415, f"send {type}")
        if not length.isascii() or not length.isdigit():
            raise Refusal(411, "say how long it is")
        if int(length) > most:
            raise Refusal(413, f"this has {int(length) / 2**20:.1f} MiB: {most / 2**20:g} MiB are the most")
        return self.rfile.read(int(length))

    def _send_json(self, data: answers.Answer, status: int = 200) -> None:
        self._send(json.dumps(data).encode(), "application/json", status=status)

    def _send(self, content: bytes, type: str, name: str | None = None, status: int = 200) -> None:
        self.send_response(status)
        for key, value in {**HEADERS, "Content-Type": type, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        if name is not None:
            self.send_header("Content-Disposition", f'attachment; filename="{name}"')
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
