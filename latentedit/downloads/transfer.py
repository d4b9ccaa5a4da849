"""One file over HTTP: resumed, bounded in size and time, and recognised when it is not the file."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from requests import Response, exceptions
from tqdm import tqdm
from urllib3.exceptions import DecodeError, HTTPError, InvalidHeader, ProtocolError, ReadTimeoutError
from urllib3.util import Retry

from latentedit.downloads.expectation import A_PAGE, Expected, sha256_of
from latentedit.downloads.partial import Partial, Version
from latentedit.downloads.registry import check_url, shorten
from latentedit.downloads.switches import is_quiet
from latentedit.errors import InputError, one_line

CHUNK = 1 << 16  # bytes
MOST_HOPS = 10
Announce = Callable[[int | None, int], None]  # told the bytes of the whole file, and how many of them are here


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for, in seconds, and how often one address is tried."""

    connect: float = 10
    read: float = 30  # without a byte
    attempts: int = 6
    backoff: float = 1  # doubled at every further attempt
    longest: float = 120  # that a server may ask for
    trial: float = 60  # over which the rate is taken
    slowest: float = 1000  # bytes a second


PATIENCE = Patience()


class MirrorError(Exception):
    """What is wrong at one address; `again` says whether another attempt, after `wait` seconds, may do."""

    def __init__(self, reason: str, again: bool = False, wait: float | None = None) -> None:
        super().__init__(reason)
        self.again, self.wait = again, wait


class _Session(requests.Session):
    """A session that follows no redirects by itself: `_open` checks each."""

    def get_redirect_target(self, resp: Response) -> None:
        return None


def download(url: str, partial: Partial, expected: Expected, announce: Announce) -> str:
    """Bring the whole file of an address to `partial` and return its SHA-256; what is there already is kept.

    `announce` is called before the first byte of every answer. Raises MirrorError when the address
    does not yield the file, InputError when the disk has no room for it.
    """
    attempt = 0
    with _Session() as session:
        while True:
            attempt += 1
            try:
                return _attempt(session, url, partial, expected, announce)
            except MirrorError as error:
                wait = PATIENCE.backoff * 2 ** (attempt - 1) if error.wait is None else error.wait
                if not error.again or attempt >= PATIENCE.attempts or wait > PATIENCE.longest:
                    raise
                if not is_quiet():
                    print(f"{expected.label}: {one_line(error)}, trying again in {wait:g} s", file=sys.stderr)
                time.sleep(wait)


def _attempt(session: requests.Session, url: str, partial: Partial, expected: Expected, announce: Announce) -> str:
    """Receive what is missing and check the whole."""
    version = partial.version(url)
    if version is None or partial.held != version.total:
        try:
            _receive(session, url, partial, expected, announce)
        except (requests.RequestException, HTTPError, UnicodeError) as error:
            raise _explain(error) from error
    digest = sha256_of(partial.path)
    fault = expected.find_fault(partial.path)
    if fault is None and expected.sha256 not in (None, digest):
        fault = f"sha256 {digest} is not {expected.sha256}"
    if fault:
        partial.discard()
        raise MirrorError(fault, again=version is not None, wait=0)  # what was here before may be at fault
    return digest


def _receive(session: requests.Session, url: str, partial: Partial, expected: Expected, announce: Announce) -> None:
    """Ask for the bytes that are missing and append them, or start anew where the server has another version."""
    headers = {"Accept-Encoding": "identity"}
    version = partial.version(url)
    if version:
        headers |= {"Range": f"bytes={partial.held}-", "If-Range": version.validator}
    with _open(session, url, headers) as response:
        served = _read_version(url, response)
        offset = partial.held if response.status_code == 206 else 0
        if response.status_code == 416 or (response.status_code == 206 and not _continues(response, version, served)):
            partial.discard()
            raise MirrorError("the file changed meanwhile", again=True, wait=0)
        _check_size(response, served.total, expected)
        _check_room(partial.path.parent, (served.total or expected.size or 0) - offset)
        announce(served.total or expected.size, offset)
        _write(response, partial, served, offset, expected)


def _open(session: requests.Session, url: str, headers: dict[str, str]) -> Response:
    """Send the request and follow redirects, each of which is checked."""
    for _ in range(MOST_HOPS):
        response = session.get(
            url, headers=headers, stream=True, allow_redirects=False, timeout=(PATIENCE.connect, PATIENCE.read)
        )
        if not response.is_redirect:
            return _check_status(response)
        response.close()
        url = _follow(url, response.headers["Location"])
    raise MirrorError(f"redirects more than {MOST_HOPS} times")


def _follow(url: str, location: str) -> str:
    """Return where a redirect leads: never from https to http, nor to what `check_url` refuses."""
    try:
        target = check_url(urljoin(url, location))
    except ValueError as error:  # an InputError, or urljoin's own
        raise MirrorError(f"redirects to {shorten(location)}: only https addresses are fetched") from error
    if urlsplit(url).scheme == "https" and not target.startswith("https:"):
        raise MirrorError("redirects from https to http: refused")
    return target


def _check_status(response: Response) -> Response:
    """Tell a refusal that lasts from one that may pass."""
    code = response.status_code
    if code in (200, 206, 416):
        return response
    response.close()
    passes = code in (408, 429) or code >= 500
    raise MirrorError(f"HTTP {code} {response.reason}".strip(), passes, _read_retry_after(response))


def _read_retry_after(response: Response) -> float | None:
    """Read how many seconds the server asks to wait, given as such or as a date."""
    try:
        return Retry().parse_retry_after(response.headers["Retry-After"])
    except (KeyError, InvalidHeader):
        return None


def _read_version(url: str, response: Response) -> Version:
    """Read which version is served; one that is compressed on the way can't be resumed."""
    headers = response.headers
    encoding = headers.get("Content-Encoding", "identity").lower()
    if encoding in ("gzip", "deflate") and response.status_code != 206:
        return Version(url, "", None)
    if encoding != "identity":
        raise MirrorError(f"sends the file compressed ({encoding}), which was not asked for")
    etag = headers.get("ETag", "W/")
    validator = headers.get("Last-Modified", "") if etag.startswith("W/") else etag
    if response.status_code == 206:
        match = re.fullmatch(r"bytes \d+-\d+/(\d+)", headers.get("Content-Range", ""))
        return Version(url, validator, int(match[1]) if match else None)
    length = headers.get("Content-Length", "")
    return Version(url, validator, int(length) if length.isdecimal() else None)


def _continues(response: Response, version: Version | None, served: Version) -> bool:
    """Tell whether a partial answer goes on where the bytes at hand end, in the same version."""
    asked = (response.request.headers.get("Range") or "").removeprefix("bytes=")
    starts_there = response.headers.get("Content-Range", "").startswith(f"bytes {asked}")
    return version is not None and starts_there and served in (version, Version(version.url, "", version.total))


def _check_size(response: Response, total: int | None, expected: Expected) -> None:
    """Refuse, before the first byte, a web page, a file of another size and one whose end could not be told."""
    chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
    if not (chunked or "Content-Length" in response.headers or expected.size or expected.sha256):
        raise MirrorError("does not say how long the file is, so that a part can't be told from the whole")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise MirrorError(A_PAGE)
    if total is not None and (misfit := expected.find_misfit(total)):
        raise MirrorError(misfit)


def _check_room(folder: Path, needed: int) -> None:
    """Refuse a file that the disk has no room for."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(f"{folder}: {needed:,} bytes are needed and {free:,} free: make room, or set LATENTEDIT_CACHE")


def _write(response: Response, partial: Partial, served: Version, offset: int, expected: Expected) -> None:
    """Write the body behind what is here, under a progress bar."""
    received, total = offset, served.total or expected.size
    bar = tqdm(desc=expected.label, initial=offset, total=total, unit="B", unit_scale=True, disable=is_quiet() or None)
    with bar, partial.open(served, offset) as file:
        for chunk in _stream(response):
            received += len(chunk)
            if received > expected.most:
                break
            file.write(chunk)
            bar.update(len(chunk))
    if received > expected.most:
        partial.discard()
        raise MirrorError(f"more than {expected.most:,} bytes, which are the limit")
    if served.total is not None and received < served.total:
        raise MirrorError(f"broke off after {received:,} of {served.total:,} bytes", again=True)


def _stream(response: Response) -> Iterator[bytes]:
    """Yield the body as it comes in; leave a server that drips."""
    start, received = time.monotonic(), 0
    while chunk := response.raw.read1(CHUNK, decode_content=True):
        yield chunk
        received += len(chunk)
        seconds = time.monotonic() - start
        if seconds >= PATIENCE.trial:
            if received < PATIENCE.slowest * seconds:
                raise MirrorError(f"sends {received / seconds:,.0f} bytes a second, which takes for ever", again=True)
            start, received = time.monotonic(), 0


def _explain(error: Exception) -> MirrorError:
    """Say in a few words what requests, or urllib3 beneath it, says in many."""
    stalled = isinstance(error, exceptions.Timeout | ReadTimeoutError) or (
        error.args and isinstance(error.args[0], ReadTimeoutError)
    )
    if stalled:
        return MirrorError(f"silent for {PATIENCE.read:g} s", again=True)
    match error:
        case exceptions.SSLError():
            return MirrorError("its certificate is not accepted")
        case exceptions.ProxyError():
            return MirrorError("the proxy gives no connection", again=True)
        case exceptions.ConnectionError():
            return MirrorError("no connection", again=True)
        case ProtocolError() | DecodeError():
            return MirrorError("the connection broke off", again=True)
    return MirrorError(f"no address that can be fetched ({type(error).__name__})")
