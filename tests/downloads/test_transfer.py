"""Downloads from a server on 127.0.0.1 that does everything a server can do wrong."""

import email.utils
import gzip
import hashlib
import itertools
import os
import shutil
import ssl
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import trustme
from web_server import cut, serving, stall, status, whole

from latentedit.downloads import Item, obtain, path_of, switches, transfer
from latentedit.errors import InputError

DONE = ["tiny.pkl", "tiny.pkl.sha256.json"]


def files_of(item: Item) -> list[str]:
    """List what lies in the folder of an item, but for the lock."""
    folder = path_of(item).parent
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.exists() else []


def refuse(item: Item) -> str:
    """Return the one line that a download fails with."""
    with pytest.raises(InputError) as caught:
        obtain(item)
    assert "\n" not in str(caught.value)
    assert not path_of(item).exists()
    return str(caught.value)


def test_a_file_comes_whole_and_once(server, item, body):
    server.answers = [whole(body), status(500)]
    assert obtain(item).read_bytes() == body
    assert files_of(item) == DONE
    assert obtain(item) == path_of(item)
    assert len(server.requests) == 1


def test_size_and_licence_are_said_before_the_first_byte(server, item, body, capsys):
    server.answers = [cut(body, 0), status(404)]
    refuse(item)
    said = capsys.readouterr().err
    assert said.startswith(f"tiny: 500kB from 127.0.0.1:{server.server_address[1]}, licence: CC0 1.0\n")


def test_a_broken_transfer_goes_on_where_it_stopped(server, item, body, capsys):
    server.answers = [cut(body, 300_000), whole(body)]
    assert obtain(item).read_bytes() == body
    first, second = server.ranges
    assert first is None
    assert 200_000 < int(second.removeprefix("bytes=").removesuffix("-")) <= 300_000
    assert server.requests[1][1]["If-Range"] == '"1"'
    assert "of it are here" in capsys.readouterr().err


def test_it_goes_on_at_the_next_call_too(server, item, body):
    server.answers = [cut(body, 300_000), status(404)]
    refuse(item)
    assert files_of(item) == ["tiny.pkl.part", "tiny.pkl.part.json"]
    server.answers = [whole(body)]
    assert obtain(item).read_bytes() == body
    assert server.ranges[-1] is not None
    assert files_of(item) == DONE


def test_a_part_of_one_mirror_outlives_the_refusal_of_another(server, other, item, body):
    item = replace(item, mirrors=(f"{other.url}/a", *item.mirrors))
    server.answers, other.answers = [cut(body, 300_000), status(404)], [status(404)]
    refuse(item)
    server.answers = [whole(body)]
    assert obtain(item).read_bytes() == body
    assert server.ranges[-1] is not None


def test_a_part_of_one_mirror_is_not_continued_from_another(server, other, item, body):
    item = replace(item, mirrors=(*item.mirrors, f"{other.url}/b"), sha256=None)
    server.answers, other.answers = [cut(body, 300_000), status(404)], [whole(body[::-1])]
    assert obtain(item).read_bytes() == body[::-1]
    assert other.ranges == [None]


def test_a_part_that_is_whole_asks_for_nothing(server, item, body):
    server.answers = [cut(body, 300_000), status(404)]
    refuse(item)
    path_of(item).with_name("tiny.pkl.part").write_bytes(body)
    assert obtain(item).read_bytes() == body
    assert len(server.requests) == 2


@pytest.mark.parametrize("headers", [{"ETag": ""}, {"ETag": 'W/"1"'}])
def test_without_a_strong_validator_it_starts_anew(server, item, body, headers):
    server.answers = [lambda h: h.reply(200, body[:300_000], Content_Length=str(len(body)), **headers), whole(body)]
    assert obtain(item).read_bytes() == body
    assert server.ranges == [None, None]


def test_a_date_will_do_as_validator(server, item, body):
    date = "Fri, 20 Nov 2026 12:00:00 GMT"

    def go_on(handler):
        start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        handler.reply(206, body[start:], Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}")

    server.answers = [cut(body, 300_000, etag="", Last_Modified=date), go_on]
    assert obtain(item).read_bytes() == body
    assert server.requests[1][1]["If-Range"] == date


@pytest.mark.parametrize("known", [True, False])
def test_a_file_that_changed_meanwhile_is_started_anew(server, item, body, known):
    newer = body[::-1]
    item = replace(item, sha256=hashlib.sha256(newer).hexdigest() if known else None)
    server.answers = [cut(body, 300_000), whole(newer, etag='"2"')]
    assert obtain(item).read_bytes() == newer
    assert len(server.requests) == 2


def test_a_server_that_appends_another_version_is_seen_through(server, item, body):
    newer = body[::-1]

    def append(handler):
        start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        span = f"bytes {start}-{len(newer) - 1}/{len(newer)}"
        handler.reply(206, newer[start:], ETag='"2"', Content_Range=span)

    server.answers = [cut(body, 300_000), append, whole(newer, etag='"2"')]
    assert obtain(replace(item, sha256=None)).read_bytes() == newer
    assert server.ranges[2] is None


def test_a_part_that_was_not_asked_for_is_not_taken(server, item, body):
    span = f"bytes 250000-499999/{len(body)}"
    server.answers = [lambda h: h.reply(206, body[250_000:], ETag='"1"', Content_Range=span), whole(body)]
    assert obtain(replace(item, sha256=None)).read_bytes() == body


def test_a_file_that_became_shorter_is_started_anew(server, item, body):
    short = body[:1000]
    server.answers = [cut(body, 300_000), whole(short)]
    assert obtain(replace(item, sha256=None)).read_bytes() == short
    assert len(server.requests) == 3


def test_a_server_without_ranges_sends_all_again(server, item, body):
    server.answers = [cut(body, 300_000), whole(body, resumable=False)]
    assert obtain(replace(item, sha256=None)).read_bytes() == body


def test_a_wrong_checksum_leaves_nothing_and_the_next_mirror_is_asked(server, other, item, body):
    server.answers, other.answers = [whole(body[::-1])], [whole(body)]
    assert f"is not {item.sha256}" in refuse(item)
    assert files_of(item) == []
    assert obtain(replace(item, mirrors=(*item.mirrors, f"{other.url}/b"))).read_bytes() == body
    assert len(server.requests) == 2


def test_a_spoilt_beginning_is_mended_by_a_second_transfer(server, item, body):
    server.answers = [cut(body[::-1], 300_000), whole(body)]
    assert obtain(item).read_bytes() == body
    assert [asked is None for asked in server.ranges] == [True, False, True]


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_that_lasts_is_not_repeated(server, other, item, body, naps, code):
    server.answers, other.answers = [status(code)], [whole(body)]
    assert f"tiny: could not be downloaded: 127.0.0.1:{server.server_address[1]}: HTTP {code}" in refuse(item)
    assert (len(server.requests), naps) == (1, [])
    assert obtain(replace(item, mirrors=(*item.mirrors, f"{other.url}/b"))).read_bytes() == body


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_refusal_that_may_pass_is_waited_out(server, item, body, naps, capsys, code):
    server.answers = [status(code), status(code), status(code), whole(body)]
    assert obtain(item).read_bytes() == body
    assert naps == [1, 2, 4]
    assert f"tiny: HTTP {code}" in capsys.readouterr().err


def test_patience_ends(server, item, naps):
    server.answers = [status(500)]
    assert "HTTP 500" in refuse(item)
    assert len(server.requests) == 4


def test_a_server_says_how_long_to_wait(server, item, body, naps):
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    server.answers = [status(429, Retry_After="7"), status(503, Retry_After=date), whole(body)]
    server.answers.insert(2, status(429, Retry_After="soon"))
    obtain(item)
    assert naps[0] == 7
    assert 25 < naps[1] <= 30
    assert naps[2] == 4


def test_a_server_that_asks_for_an_hour_is_left(server, other, item, body, naps):
    server.answers, other.answers = [status(429, Retry_After="3600")], [whole(body)]
    obtain(replace(item, mirrors=(*item.mirrors, f"{other.url}/b")))
    assert (len(server.requests), naps) == (1, [])


PAGE = b"<!DOCTYPE html><title>Quota exceeded</title>"


@pytest.mark.parametrize("size", [None, 500_000])
@pytest.mark.parametrize(
    ("page", "type"),
    [(PAGE, "text/html; charset=utf-8"), (b"too many users", "text/html"), (b"\n " + PAGE, "application/octet-stream")],
)
def test_a_web_page_is_no_file(server, item, page, type, size):
    server.answers = [status(200, page, Content_Type=type)]
    message = refuse(replace(item, sha256=None, size=size))
    assert "web page" in message or "500,000 are registered" in message
    assert len(server.requests) == 1
    assert files_of(item) == []


def test_an_empty_file_is_none(server, item):
    server.answers = [whole(b"")]
    assert "sends nothing" in refuse(replace(item, sha256=None))


def test_a_server_that_falls_silent_is_left_and_asked_again(server, item, body):
    server.answers = [stall(body, 300_000, seconds=1), whole(body)]
    start = time.monotonic()
    assert obtain(item).read_bytes() == body
    assert time.monotonic() - start < 5
    assert server.ranges[1] is not None
    server.answers = [stall(body, 0, seconds=1)]
    shutil.rmtree(path_of(item).parent)
    assert "silent for 0.3 s" in refuse(item)


def test_a_server_that_drips_is_left_and_asked_again(server, item, body, naps, monkeypatch):
    def drip(handler):
        handler.reply(200, body[:999], ETag='"1"', Content_Length=str(len(body)))
        for _ in range(20):
            time.sleep(0.02)
            handler.wfile.write(b"x")

    hours = itertools.count(step=3600)
    clock = SimpleNamespace(sleep=naps.append, monotonic=lambda: next(hours))
    monkeypatch.setattr(transfer, "time", clock)
    server.answers = [drip]
    assert "bytes a second, which takes for ever" in refuse(item)
    assert len(server.requests) == 4
    monkeypatch.setattr(clock, "monotonic", time.monotonic)
    server.answers = [whole(body)]
    assert obtain(item).read_bytes() == body


def test_a_port_that_nobody_serves(item):
    assert "no connection" in refuse(replace(item, mirrors=("http://127.0.0.1:9/x",)))


@pytest.mark.parametrize("url", ["https://127.0.0.1:99999/x", f"https://{'a' * 70}.com/x", "https://é\ud800.com/x"])
def test_an_address_that_is_none(item, url):
    assert "no address that can be fetched" in refuse(replace(item, mirrors=(url,)))


def test_redirects_are_followed_to_other_paths_and_servers(server, other, item, body):
    server.answers = [status(302, Location="/b"), status(307, Location=f"{other.url}/c")]
    other.answers = [whole(body)]
    assert obtain(item).read_bytes() == body
    assert [path for path, _ in server.requests] == ["/tiny.pkl", "/b"]
    assert [path for path, _ in other.requests] == ["/c"]


@pytest.mark.parametrize("target", ["http://192.0.2.1/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://[::bad/"])
def test_redirects_to_elsewhere_are_refused(server, item, target):
    server.answers = [status(302, Location=target)]
    assert f"redirects to {target}: only https" in refuse(item)


def test_redirects_end(server, item):
    server.answers = [status(302, Location="/again")]
    assert "redirects more than 10 times" in refuse(item)


@pytest.fixture
def encrypted(server, tmp_path):
    """The server with a certificate, and the file of the authority that signed it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.encrypt(context)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    return tmp_path / "authority.pem"


def test_https_is_never_left_for_http(server, other, item, body, encrypted, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(encrypted))
    item = replace(item, mirrors=(f"{server.url}/a",))
    server.answers, other.answers = [status(302, Location=f"{other.url}/b")], [whole(body)]
    assert "redirects from https to http" in refuse(item)
    assert other.requests == []
    server.answers = [status(302, Location="/c"), whole(body)]
    assert obtain(item).read_bytes() == body


def test_a_certificate_of_nobody_is_refused(server, item, body, encrypted, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    server.answers = [whole(body)]
    assert "certificate is not accepted" in refuse(replace(item, mirrors=(f"{server.url}/a",)))
    assert server.requests == []


def test_compression_on_the_way_is_undone(server, item, body):
    packed = gzip.compress(body)
    server.answers = [cut(packed, 300_000, Content_Encoding="gzip"), whole(packed, Content_Encoding="gzip")]
    assert obtain(item).read_bytes() == body
    assert server.requests[0][1]["Accept-Encoding"] == "identity"
    assert server.ranges == [None, None]


def test_a_file_that_is_itself_compressed_stays_so(server, item, body):
    packed = gzip.compress(body)
    server.answers = [whole(packed, Content_Type="application/gzip")]
    assert obtain(replace(item, sha256=None)).read_bytes() == packed


def test_a_compression_that_nobody_asked_for_is_refused(server, item, body):
    server.answers = [whole(body, Content_Encoding="br")]
    assert "compressed (br)" in refuse(item)


def send_chunks(chunks):
    def answer(handler):
        handler.reply(200, b"", Content_Length="", Transfer_Encoding="chunked")
        try:
            for chunk in chunks:
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        except OSError:
            pass

    return answer


def test_a_file_in_chunks_is_whole_at_their_end_only(server, item, body):
    item = replace(item, sha256=None)
    server.answers = [send_chunks([body[:100_000]]), send_chunks([body[:100_000], body[100_000:], b""])]
    assert obtain(item).read_bytes() == body
    assert len(server.requests) == 2


def test_the_registered_size_bounds_what_is_taken(server, item, body):
    item = replace(item, sha256=None, size=400_000)
    server.answers = [whole(body)]
    assert "500,000 bytes, where 400,000 are registered" in refuse(item)
    server.answers = [send_chunks([body] * 1000)]
    assert "more than 400,000 bytes" in refuse(item)
    server.answers = [whole(gzip.compress(bytes(10**7)), Content_Encoding="gzip")]
    assert "more than 400,000 bytes" in refuse(item)
    server.answers = [send_chunks([body[:1000], b""])]
    assert "1,000 bytes, where 400,000 are registered" in refuse(item)
    assert files_of(item) == []


def test_a_file_of_unknown_size_has_a_limit(server, item, body, monkeypatch):
    monkeypatch.setattr("latentedit.downloads.expectation.LARGEST", 400_000)
    server.answers = [whole(body)]
    assert "500,000 bytes, where 400,000 are the limit" in refuse(replace(item, sha256=None))
    server.answers = [send_chunks([body] * 1000)]
    assert "more than 400,000 bytes" in refuse(replace(item, sha256=None))


def test_a_length_that_nobody_states_is_taken_only_with_a_checksum(server, item, body):
    server.answers = [lambda h: h.reply(200, body, Content_Length="")]
    assert "does not say how long the file is" in refuse(replace(item, sha256=None))
    assert obtain(item).read_bytes() == body


def test_a_proxy_is_used(server, other, item, body, monkeypatch):
    monkeypatch.setenv("http_proxy", other.url)
    other.answers = [whole(body)]
    assert obtain(item).read_bytes() == body
    assert server.requests == []
    assert [path for path, _ in other.requests] == list(item.mirrors)


def test_a_proxy_that_is_gone(item, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert "the proxy gives no connection" in refuse(item)


def test_offline_nothing_is_asked_but_what_is_here_is_used(server, item, body, monkeypatch):
    server.answers = [whole(body)]
    with switches(offline=True):
        assert "offline mode" in refuse(item)
    monkeypatch.setenv("LATENTEDIT_OFFLINE", "1")
    assert "offline mode" in refuse(item)
    monkeypatch.setenv("LATENTEDIT_OFFLINE", "0")
    assert server.requests == []
    obtain(item)
    monkeypatch.setenv("LATENTEDIT_OFFLINE", "1")
    assert obtain(item).read_bytes() == body


def test_a_disk_without_room_is_told_before_the_first_byte(server, item, body, monkeypatch):
    free = shutil._ntuple_diskusage(10**6, 10**6 - 499_999, 499_999)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    server.answers = [whole(body)]
    assert "500,000 bytes are needed and 499,999 free" in refuse(item)
    assert files_of(item) == []


def test_a_cache_that_cannot_be_written_is_one_line(server, item, body, monkeypatch, tmp_path):
    server.answers = [whole(body)]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LATENTEDIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"^tiny: (File exists|Not a directory)"):
        obtain(item)
    if os.geteuid():
        tmp_path.chmod(0o500)
        monkeypatch.setenv("LATENTEDIT_CACHE", str(tmp_path / "cache"))
        assert "Permission denied" in refuse(item)


def test_the_bar_is_for_terminals(server, item, body, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    server.answers = [whole(body)]
    obtain(item)
    assert "500k/500k" in capsys.readouterr().err
    shutil.rmtree(path_of(item).parent)
    with switches(quiet=True):
        obtain(item)
    said = capsys.readouterr().err
    assert "licence" in said
    assert "500k/500k" not in said


def test_a_wait_is_said_unless_quiet(server, item, body, capsys):
    with switches(quiet=True), serving(status(500), whole(body)) as server:
        obtain(replace(item, mirrors=(server.url,)))
    assert "trying again" not in capsys.readouterr().err
