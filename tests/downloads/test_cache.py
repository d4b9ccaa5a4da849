"""What lies in the cache is checked at every use, and nothing lies outside it."""

import hashlib
import json
from dataclasses import replace

import pytest
from web_server import cut, status, whole

from latentedit.downloads import Item, cache_folder, find_item, obtain, path_of, recorded_sha256
from latentedit.errors import InputError


@pytest.fixture
def unpinned(item) -> Item:
    """The published file, without a published checksum."""
    return replace(item, sha256=None)


def test_the_first_download_is_trusted_and_said_to_be(server, unpinned, body, capsys):
    server.answers = [whole(body)]
    assert recorded_sha256(unpinned) is None
    obtain(unpinned)
    digest = hashlib.sha256(body).hexdigest()
    assert recorded_sha256(unpinned) == digest
    assert f"no checksum is published, so this one is trusted from now on: sha256 {digest}" in capsys.readouterr().err
    record = json.loads(path_of(unpinned).with_name("tiny.pkl.sha256.json").read_text())
    assert (record["sha256"], record["from"]) == (digest, unpinned.mirrors[0])


def test_a_published_checksum_needs_no_trust(server, item, body, capsys):
    server.answers = [whole(body)]
    obtain(item)
    assert "trusted" not in capsys.readouterr().err


def test_the_first_checksum_outlives_the_file(server, unpinned, body):
    server.answers = [whole(body), whole(body[::-1])]
    obtain(unpinned).unlink()
    with pytest.raises(InputError, match=r"sha256 \w+ is not \w+ \(delete .*tiny.pkl.sha256.json to trust another"):
        obtain(unpinned)
    server.answers = [whole(body)]
    assert obtain(unpinned).read_bytes() == body


@pytest.mark.parametrize("pinned", [True, False])
def test_a_file_that_changed_on_the_disk_is_refused(server, item, unpinned, body, pinned):
    item = item if pinned else unpinned
    server.answers = [whole(body)]
    path = obtain(item)
    path.write_bytes(body[:-1] + b"x")
    with pytest.raises(InputError, match=r"^tiny: .*tiny.pkl has sha256 \w+..., not \w+... as before: delete it"):
        obtain(item)
    assert len(server.requests) == 1
    path.unlink()
    assert obtain(item).read_bytes() == body


def test_a_file_that_the_user_puts_there_is_taken_and_checked(item, unpinned, body):
    by_hand = replace(unpinned, mirrors=(), page="https://example.org/page")
    with pytest.raises(InputError, match=r"fetch https://example.org/page in a browser and save it as .*tiny.pkl$"):
        obtain(by_hand)
    path_of(by_hand).write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(InputError, match="is a web page"):
        obtain(by_hand)
    path_of(by_hand).write_bytes(body)
    assert obtain(by_hand) == path_of(by_hand)
    assert recorded_sha256(by_hand) == item.sha256
    path_of(by_hand).write_bytes(body[::-1])
    with pytest.raises(InputError, match="delete it"):
        obtain(by_hand)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": ', "\xff"])
def test_a_damaged_record_is_one_line(server, unpinned, body, text):
    server.answers = [whole(body)]
    record = obtain(unpinned).with_name("tiny.pkl.sha256.json")
    record.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"tiny.pkl.sha256.json is damaged: delete it"):
        obtain(unpinned)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": 1', "\xff", '{"url": 3, "validator": 1, "total": "x"}'])
def test_a_damaged_note_of_a_part_starts_anew(server, item, body, text):
    server.answers = [cut(body, 300_000), status(404)]
    with pytest.raises(InputError):
        obtain(item)
    path_of(item).with_name("tiny.pkl.part.json").write_text(text, encoding="latin-1")
    server.answers = [whole(body)]
    assert obtain(item).read_bytes() == body
    assert server.ranges[-1] is None


def test_the_cache_is_where_the_user_says(home, monkeypatch, tmp_path):
    assert cache_folder() == home / "cache"
    monkeypatch.setenv("LATENTEDIT_CACHE", str(tmp_path / "elsewhere"))
    assert cache_folder() == tmp_path / "elsewhere"


URLS = [
    "https://example.org/a/..%2f..%2fx.pkl", "https://example.org/..", "https://example.org/%2e%2e/",
    "https://example.org", "https://example.org/a%00b%0a.pkl", "https://example.org/C:%5cx.pkl",
    "https://example.org/" + "x" * 500, "https://u:secret@example.org/x.pkl?token=secret#secret",
    "https://example.org/.ssh", "https://example.org/-rf.pkl",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_no_address_leads_out_of_the_cache(url):
    item = find_item(url)
    path = path_of(item)
    assert path.resolve().is_relative_to(cache_folder().resolve())
    assert len(path.relative_to(cache_folder()).parts) == 2
    assert path.name.isascii()
    assert path.name.isprintable()
    assert path.name[0].isalnum()
    assert len(path.name) <= 128
    assert "secret" not in f"{item.label} {item.source} {path}"


def test_addresses_do_not_share_a_folder():
    assert len({path_of(find_item(f"https://example.org/{query}x.pkl?{query}")).parent for query in "abc"}) == 3


def test_what_an_address_carries_for_the_server_alone_is_not_kept(server, body, capsys):
    server.answers = [whole(body)]
    path = obtain(find_item(server.url.replace("//", "//u:secret@") + "/x.pkl?token=secret"))
    assert server.requests[0][0] == "/x.pkl?token=secret"
    assert "Basic" in server.requests[0][1]["Authorization"]
    assert "secret" not in capsys.readouterr().err
    assert all(b"secret" not in file.read_bytes() for file in path.parent.iterdir() if file != path)
