"""A server on 127.0.0.1 that serves one file, as told and as faultily as told, and keeps a list of the requests."""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

Answer = Callable[["Handler"], None]
AnyServer = TypeVar("AnyServer", bound=ThreadingHTTPServer)


class Handler(BaseHTTPRequestHandler):
    """Answers by the first answer that the server has left, the last of which serves for ever."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.close_connection = True
        answer(self)

    def reply(self, code: int, body: bytes = b"", **headers: str) -> None:
        """Send a whole answer; underscores in the names of headers stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(body))} | named).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
            self.wfile.flush()
        except OSError:
            pass  # the client has seen enough

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """The server: give it `answers`, read its `requests`."""

    daemon_threads = True

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    @property
    def ranges(self) -> list[str | None]:
        """The Range of every request."""
        return [headers.get("Range") for _, headers in self.requests]

    def encrypt(self, context: ssl.SSLContext) -> None:
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def serving(*answers: Answer) -> Iterator[Server]:
    """Serve these answers for the length of a block."""
    with running(Server(list(answers))) as server:
        yield server


@contextmanager
def running(server: AnyServer) -> Iterator[AnyServer]:
    """Run a server in a thread for the length of a block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def whole(body: bytes, etag: str = '"1"', resumable: bool = True, **headers: str) -> Answer:
    """Serve a file as a good server does, ranges and conditions included."""

    def answer(handler: Handler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        start = int(asked[1]) if asked and resumable and handler.headers.get("If-Range") == etag else 0
        if start >= len(body) > 0:
            handler.reply(416, Content_Range=f"bytes */{len(body)}", Content_Encoding="gzip")
        elif start:
            span = f"bytes {start}-{len(body) - 1}/{len(body)}"
            handler.reply(206, body[start:], ETag=etag, Content_Range=span, **headers)
        else:
            handler.reply(200, body, ETag=etag, **headers)

    return answer


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """Serve a status."""
    return lambda handler: handler.reply(code, body, **headers)


def cut(body: bytes, at: int, etag: str = '"1"', **headers: str) -> Answer:
    """Promise a whole file and hang up after `at` bytes."""
    return lambda handler: handler.reply(200, body[:at], ETag=etag, Content_Length=str(len(body)), **headers)


def stall(body: bytes, at: int, seconds: float, etag: str = '"1"') -> Answer:
    """Promise a whole file and fall silent after `at` bytes."""

    def answer(handler: Handler) -> None:
        handler.reply(200, body[:at], ETag=etag, Content_Length=str(len(body)))
        time.sleep(seconds)

    return answer
