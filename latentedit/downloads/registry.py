"""What can be had by name or by address: published checkpoints and directions, and what is known of them."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import unquote, urlsplit

from latentedit.errors import InputError, about
from latentedit.files import read_small

ASSETS = Path(__file__).parent.parent / "assets"
SHIPPED = ASSETS / "zoo.json"
Kind = Literal["generator", "direction", "detector", "predictor"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
SHA256 = re.compile(r"[0-9a-f]{64}")
THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Item:
    """A published file and what is known of it; None is what nobody has stated."""

    name: str
    file: str
    kind: Kind | None = None  # None: an address, which may hold anything
    about: str = ""
    mirrors: tuple[str, ...] = ()
    page: str | None = None  # where a person downloads it, if programs can't
    size: int | None = None  # bytes
    sha256: str | None = None
    licence: str | None = None
    source: str | None = None
    resolution: int | None = None  # pixels
    remark: str | None = None
    bundled: bool = False

    @property
    def label(self) -> str:
        """What to call it where others may read along."""
        return shorten(self.name) if is_url(self.name) else self.name

    @property
    def folder(self) -> str:
        """The name of its folder in the cache."""
        return self.name if NAME.fullmatch(self.name) else f"url-{hashlib.sha256(self.name.encode()).hexdigest()[:32]}"


def list_items() -> dict[str, Item]:
    """List all items by name: the shipped ones, and over them those of the file LATENTEDIT_REGISTRY."""
    own = os.environ.get("LATENTEDIT_REGISTRY")
    return {item.name: item for path in (SHIPPED, own) if path for item in read_registry(Path(path))}


def find_item(name: str, kind: Kind | None = None) -> Item | None:
    """Find an item by its name or its https address; None where it is neither, an error where it is of another kind."""
    if is_url(name):
        return _at(name)
    item = list_items().get(name) if NAME.fullmatch(name) else None
    if item and kind and item.kind != kind:
        raise InputError(f"{name} is a {item.kind}, not a {kind}: `latentedit models list` shows both")
    return item


def suggest(name: str, known: Iterable[str]) -> list[str]:
    """Return the names nearest to an unknown one."""
    return difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.4)


def suggest_items(name: str, kind: Kind | None = None) -> str:
    """Say what may have been meant by a name that is neither an item's nor a file's."""
    near = suggest(name, [item.name for item in list_items().values() if kind in (None, item.kind)])
    return f"did you mean {', '.join(near)}?" if near else "check the path, or see `latentedit models list`"


def is_url(text: str) -> bool:
    """Tell an address on the web from a name or a file."""
    return text.startswith(("https://", "http://"))


def check_url(url: str) -> str:
    """Return an address that may be fetched: https, or http from this machine itself."""
    try:
        parts = urlsplit(url)
        schemes = ("https", "http") if parts.hostname in THIS_MACHINE else ("https",)
        is_sound = bool(parts.hostname) and parts.scheme in schemes
    except ValueError:
        is_sound = False
    if not is_sound:
        raise InputError(f"{shorten(url)}: only https addresses are fetched")
    return url


def shorten(url: str) -> str:
    """Leave out of an address what may be secret: the user and the query."""
    return re.sub(r"(\w+://)(?:[^/?#]*@)?([^?#]*).*", r"\1\2", url, flags=re.DOTALL)


def _at(url: str) -> Item:
    """Make an item of an address, of which nothing else is known."""
    last = unquote(urlsplit(check_url(url)).path).rpartition("/")[2]
    file = re.sub(r"[^A-Za-z0-9_.-]", "_", last).lstrip("._-")[-128:] or "file"
    return Item(url, file, mirrors=(url,), source=shorten(url))


def read_registry(path: Path) -> list[Item]:
    """Read a list of items, whose entries anybody may have written."""
    with about(path):
        try:
            entries = json.loads(read_small(path))
        except (ValueError, RecursionError) as error:
            raise InputError(f"no JSON ({error}): correct it") from error
        if not isinstance(entries, list):
            raise InputError("no list of items: correct it")
        return [_read_item(entry) for entry in entries]


def _read_item(entry: Any) -> Item:
    """Make an item of one entry; a fault is an InputError that names it."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise InputError(f"an item without a name: {str(entry)[:60]}")
    with about(entry["name"]):
        item = _build(entry)
        sound = {
            "name": NAME.fullmatch(item.name),
            "file": isinstance(item.file, str) and FILE.fullmatch(item.file),
            "kind": item.kind in get_args(Kind),
            "size": item.size is None or (type(item.size) is int and item.size > 0),
            "sha256": item.sha256 is None or SHA256.fullmatch(str(item.sha256)),
            "mirrors": all(isinstance(url, str) and check_url(url) for url in item.mirrors),
        }
        if wrong := [key for key, is_sound in sound.items() if not is_sound]:
            raise InputError(f"{wrong[0]} {str(entry.get(wrong[0]))[:60]!r} can't be: correct it")
        return item


def _build(entry: dict[str, Any]) -> Item:
    """Fill the fields; those that are texts must be."""
    if unknown := entry.keys() - {field.name for field in fields(Item)}:
        raise InputError(f"{min(unknown)!r} is no field of an item")
    if not isinstance(entry.get("mirrors", []), list):
        raise InputError("mirrors is no list of addresses")
    texts = ("about", "page", "licence", "source", "remark")
    if wrong := [key for key in texts if not isinstance(entry.get(key), str | None)]:
        raise InputError(f"{wrong[0]} is no text")
    last = next((url.rpartition("/")[2] for url in map(str, entry.get("mirrors", []))), "")
    return Item(**{"file": last, **entry, "mirrors": tuple(entry.get("mirrors", []))})
