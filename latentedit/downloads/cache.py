"""The folder of downloaded files: each comes whole, by one process at a time, and is checked at every use."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from latentedit.downloads.registry import ASSETS, Item, shorten
from latentedit.downloads.switches import is_offline
from latentedit.errors import InputError, about, one_line
from latentedit.files import home, read_small, replacing


def cache_folder() -> Path:
    """Name the folder of downloaded files: LATENTEDIT_CACHE, or ~/.latentedit/cache."""
    return Path(os.environ.get("LATENTEDIT_CACHE") or home() / "cache")


def path_of(item: Item) -> Path:
    """Name the file of an item, whether it is there or not."""
    return ASSETS / item.file if item.bundled else cache_folder() / item.folder / item.file


def obtain(item: Item) -> Path:
    """Return the file of an item, after checking its SHA-256; one that is not in the cache is downloaded first.

    The size and the licence are said on stderr before the first byte. Where the registry knows no
    checksum, that of the first download is recorded beside the file and holds from then on. Raises
    InputError, one line, when it can't be had; a transfer that was cut short goes on at the next call.
    """
    path = path_of(item)
    if not item.bundled:
        with about(item.label):
            if path.exists():
                _check(item, path)
            else:
                _fetch(item, path)
    return path


def recorded_sha256(item: Item) -> str | None:
    """Return the checksum that an item's file must have: the registered one, or that of the first download."""
    record = _record_of(path_of(item))
    if item.sha256 or not record.exists():
        return item.sha256
    try:
        return str(json.loads(read_small(record))["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{record} is damaged: delete it to trust the file as it is now") from error


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256.json")


def _check(item: Item, path: Path) -> None:
    """Hold a file of the cache, also one that the user put there, against its checksum."""
    from latentedit.downloads.expectation import is_page, sha256_of

    if is_page(path):
        raise InputError(f"{path} is a web page, not the file: delete it and download the file again")
    digest, expected = sha256_of(path), recorded_sha256(item)
    if expected is None:
        _record(item, path, digest)
    elif digest != expected:
        raise InputError(
            f"{path} has sha256 {digest[:12]}..., not {expected[:12]}... as before: delete it to fetch anew"
        )


def _record(item: Item, path: Path, digest: str, url: str | None = None) -> None:
    """Keep the checksum beside the file, and say so where nobody has published one."""
    facts = {"sha256": digest, "from": url and shorten(url), "date": datetime.now(UTC).isoformat(timespec="seconds")}
    record = _record_of(path)
    with replacing(record) as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    if item.sha256 is None:
        _say(item, f"no checksum is published, so this one is trusted from now on: sha256 {digest}, kept in {record}")


def _fetch(item: Item, path: Path) -> None:
    """Download under a lock, which the operating system releases when its holder dies."""
    from filelock import FileLock, Timeout

    if is_offline():
        raise InputError("not downloaded yet, and this is offline mode (--offline or LATENTEDIT_OFFLINE)")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not item.mirrors:
        raise InputError(f"programs can't download it: fetch {item.page} in a browser and save it as {path}")
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _say(item, "another process is downloading it: waiting")
        lock.acquire()
    try:
        if not path.exists():
            _download(item, path)
    finally:
        lock.release()


def _download(item: Item, path: Path) -> None:
    """Try every mirror in turn, then put the file in its place."""
    from latentedit.downloads.expectation import Expected
    from latentedit.downloads.partial import Partial
    from latentedit.downloads.transfer import MirrorError, download

    part = Partial(path.with_name(f"{path.name}.part"))
    expected = Expected(item.label, item.size, recorded_sha256(item))
    reasons = []
    for url in item.mirrors:
        host = urlsplit(url).netloc.rpartition("@")[2]
        try:
            digest = download(url, part, expected, partial(_announce, item, host))
        except MirrorError as error:
            reasons.append(f"{host}: {one_line(error)}")
        else:
            _record(item, path, digest, url)
            part.finish(path)
            return
    hint = f" (delete {_record_of(path)} to trust another file)" if expected.sha256 and not item.sha256 else ""
    raise InputError(f"could not be downloaded: {'; '.join(reasons)}{hint}")


def _announce(item: Item, host: str, total: int | None, offset: int) -> None:
    """Say what comes, how much of it and on which terms."""
    from tqdm import tqdm

    size = tqdm.format_sizeof(total, "B") if total else "size not known"
    resumed = f", {tqdm.format_sizeof(offset, 'B')} of it are here" if offset else ""
    remark = f"; {item.remark}" if item.remark else ""
    _say(item, f"{size} from {host}{resumed}, licence: {item.licence or 'not stated'}{remark}")


def _say(item: Item, text: str) -> None:
    """Tell the user, on stderr, also with --quiet: these are terms, not progress."""
    print(f"{item.label}: {one_line(text)}", file=sys.stderr)
