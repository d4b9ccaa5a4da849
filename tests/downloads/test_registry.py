"""The shipped list says nothing that is not known, and a user's own list can do no harm."""

import hashlib
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from latentedit.downloads import find_item, list_items, suggest
from latentedit.downloads.registry import SHIPPED, check_url
from latentedit.errors import InputError

ITEM = {"name": "mine", "kind": "generator", "mirrors": ["https://example.org/mine.pkl"]}


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """Make a list of items the user's own."""

    def register(*items) -> Path:
        path = tmp_path / "registry.json"
        path.write_text(items[0] if items and isinstance(items[0], str) else json.dumps(items))
        monkeypatch.setenv("LATENTEDIT_REGISTRY", str(path))
        return path

    return register


@pytest.mark.parametrize("item", list_items().values(), ids=lambda item: item.name)
def test_every_shipped_item_can_be_had_or_says_where(item):
    assert bool(item.mirrors) != bool(item.bundled or item.page)
    assert all(urlsplit(url).scheme == "https" for url in (*item.mirrors, item.page or "https://"))
    assert not any("drive.google" in url for url in item.mirrors)
    assert item.about
    assert item.source
    assert (item.resolution is None) == (item.kind in ("direction", "detector"))
    assert item.file.endswith((".pkl", ".pt", ".pth", ".npy", ".safetensors", ".h5", ".onnx"))
    assert item.file.endswith(".safetensors") == item.bundled
    assert item.sha256 is None or item.size


def test_names_and_mirrors_are_listed_once():
    entries = json.loads(SHIPPED.read_text())
    mirrors = [url for entry in entries for url in entry["mirrors"]]
    assert len({entry["name"] for entry in entries}) == len(entries) == len(list_items())
    assert len(set(mirrors)) == len(mirrors)


def test_the_checksums_are_those_that_are_known():
    pinned = {item.name: item.sha256 for item in list_items().values() if item.kind == "generator" and item.sha256}
    assert pinned == {
        "ffhq-1024": "a205a346e86a9ddaae702e118097d014b7b8bd719491396a162cca438f2f524c",
        "stylegan3-t-ffhq-1024": "efd9fa1f967a11b5390399a8ed512dc32e341c245fa2d4dafa6d94e96222085b",
    }
    assert all(item.sha256 for item in list_items().values() if item.kind not in ("generator", "predictor"))


def test_the_directions_are_those_of_the_reference_files(shared):
    folder = shared / "reference" / "ffhq-directions"
    pinned = {item.sha256: item for item in list_items().values() if item.kind == "direction"}
    for path in folder.glob("*/*_*.npy"), folder.glob("*/*.pt"):
        for file in path:
            item = pinned[hashlib.sha256(file.read_bytes()).hexdigest()]
            assert (item.file, item.size) == (file.name, file.stat().st_size)
            assert item.licence == "MIT"


def test_the_mirrors_of_directions_are_pinned_to_a_commit():
    urls = [url for item in list_items().values() if item.kind == "direction" for url in item.mirrors]
    assert all(re.search(r"[/@][0-9a-f]{40}/", url) for url in urls)


def test_a_file_needs_no_list(registry):
    registry("{")
    assert find_item("folder/mine.pkl", "generator") is None
    with pytest.raises(InputError, match=r"registry\.json: no JSON"):
        find_item("mine", "generator")


def test_items_are_found_by_name_address_and_kind():
    assert find_item("ffhq-1024", "generator").resolution == 1024
    assert find_item("nothing") is None
    assert find_item("https://example.org/a.pkl", "generator").file == "a.pkl"
    with pytest.raises(InputError, match="ffhq-1024 is a generator, not a direction"):
        find_item("ffhq-1024", "direction")
    assert suggest("fhq-1024", list_items())[0] == "ffhq-1024"


def test_the_users_own_items_come_over_the_shipped_ones(registry):
    shipped = list_items()
    registry(ITEM, ITEM | {"name": "ffhq-1024", "licence": "mine"})
    assert find_item("mine").file == "mine.pkl"
    assert find_item("ffhq-1024").licence == "mine"
    assert list_items().keys() == {*shipped, "mine"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "../../x"}, "name '../../x'"), ({"name": ""}, "name ''"), ({"name": "a/b"}, "a/b"),
        ({"name": "x" * 65}, "name 'xxx"), ({"name": 3}, "without a name"), ({"name": "a\n"}, "name"),
        ({"file": "../x.pkl"}, "file '../x.pkl'"), ({"file": ".."}, "file '..'"), ({"file": "/etc/x"}, "file"),
        ({"file": "C:\\x"}, "file"), ({"file": None}, "file"), ({"mirrors": []}, "file"),
        ({"kind": "program"}, "kind 'program'"), ({"size": -1}, "size '-1'"), ({"size": "1"}, "size '1'"),
        ({"size": True}, "size 'True'"), ({"sha256": "abc"}, "sha256 'abc'"), ({"sha256": "A" * 64}, "sha256"),
        ({"mirrors": ["http://example.org/x"]}, "http://example.org/x: only https"),
        ({"mirrors": ["file:///etc/passwd"]}, "only https"), ({"mirrors": [3]}, "mirrors"),
        ({"mirrors": "https://example.org/x"}, "no list"), ({"licence": 3}, "licence is no text"),
        ({"url": "x"}, "'url' is no field"),
    ],
)  # fmt: skip
def test_a_bad_item_is_refused_in_one_line(registry, change, message):
    path = registry(ITEM | change)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        list_items()
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{}", "[3]", "[", '{"name": "x"}'])
def test_a_list_that_is_none_is_refused(registry, text):
    registry(text)
    with pytest.raises(InputError, match=r"registry.json: "):
        list_items()


def test_a_list_that_is_absent_is_said(monkeypatch):
    monkeypatch.setenv("LATENTEDIT_REGISTRY", "/no/registry.json")
    with pytest.raises(InputError, match=r"^/no/registry.json: No such file"):
        list_items()


@pytest.mark.parametrize(
    "url", ["https://example.org/x", "http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]/"]
)
def test_sound_addresses(url):
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["http://example.org/x", "http://127.0.0.1.example.org/", "http://127.0.0.1@example.org/", "https:///x", "https://[",
     "ftp://127.0.0.1/x", "file:///x", "//example.org/x", "http://10.0.0.1/", ""],
)  # fmt: skip
def test_addresses_that_are_not_fetched(url):
    with pytest.raises(InputError, match="only https addresses are fetched"):
        check_url(url)
