"""`latentedit models`: the published checkpoints and directions, and their files in the cache."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Any, get_args

from latentedit.cli import arguments, printing
from latentedit.downloads import Item, find_item, list_items, obtain, path_of, recorded_sha256, suggest_items
from latentedit.downloads.registry import Kind
from latentedit.errors import InputError

EXAMPLES = """\
  latentedit models list
  latentedit models list --kind direction
  latentedit models get ffhq-1024 interfacegan-ffhq-age
  latentedit models path ffhq-1024

What is named is downloaded where it is first used, too: `latentedit apply --network ffhq-1024 ...`. The files lie in
~/.latentedit/cache or the folder LATENTEDIT_CACHE; a download that was cut short goes on where it stopped. A file
without a published checksum is trusted at its first download, up to 4 GiB, whose checksum is kept beside it, and is
checked ever after. LATENTEDIT_REGISTRY names a .json of your own items, LATENTEDIT_OFFLINE=1 forbids downloads, and
HTTPS_PROXY is honoured.
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command and its own commands to the parser."""
    parser = arguments.add_command(
        commands, "models", list_known, "list and download published checkpoints and directions", EXAMPLES
    )
    actions = parser.add_subparsers(dest="action", metavar="list | get | path", required=True)
    listing = arguments.add_command(actions, "list", list_known, "list what is known by name", EXAMPLES)
    listing.add_argument("--kind", choices=get_args(Kind), help="list only these")
    getting = arguments.add_command(actions, "get", get, "download what is not in the cache, check what is", EXAMPLES)
    getting.add_argument("names", nargs="+", metavar="NAME", help="names of `latentedit models list`, or addresses")
    arguments.add_offline(getting)
    for action in (listing, getting):
        arguments.add_output(action, outdir=None)
    locating = arguments.add_command(
        actions, "path", print_path, "print where a file is or would be, and download nothing", EXAMPLES
    )
    locating.add_argument("name", metavar="NAME", help="a name of `latentedit models list`, or an address")


def list_known(args: argparse.Namespace) -> None:
    """Print every item: what it is, on which terms, how large, and whether it is here."""
    items = [item for item in list_items().values() if args.kind in (None, item.kind)]
    lines = printing.table(["name", "what it is", "licence", "px", "size", "here"], list(map(_row, items)), left=3)
    printing.announce(args, [_describe(item) for item in items], lines)


def _row(item: Item) -> list[str]:
    """Write one item as the cells of a table."""
    from tqdm import tqdm

    facts = _describe(item)
    size = tqdm.format_sizeof(facts["size"], "B") if facts["size"] else "?"
    licence = (item.licence or "not stated").partition(",")[0]
    here = "yes" if facts["here"] else "by hand" if item.page and not item.mirrors else "no"
    pixels = str(item.resolution or "")
    return [item.name, item.about, licence, pixels, size, here]


def _describe(item: Item) -> dict[str, Any]:
    """List all that is known of an item, fit for JSON."""
    path = path_of(item)
    here = path.exists()
    return asdict(item) | {
        "size": item.size or (path.stat().st_size if here else None),
        "sha256": recorded_sha256(item),
        "path": str(path),
        "here": here,
    }


def get(args: argparse.Namespace) -> None:
    """Download or check every item, and print where it lies; a name that is not known stops all before the first."""
    items = [_require(name) for name in args.names]
    for item in items:
        obtain(item)
    facts = [_describe(item) for item in items]
    rows = [[item.label, (recorded_sha256(item) or "bundled")[:12], str(path_of(item))] for item in items]
    printing.announce(args, facts, printing.table(["name", "sha256", "file"], rows, left=3))


def print_path(args: argparse.Namespace) -> None:
    """Print the path alone, for scripts; what is missing is said on stderr."""
    item = _require(args.name)
    path = path_of(item)
    print(path)
    if not path.exists():
        print(f"{item.label}: not downloaded yet, `latentedit models get {item.label}` does that", file=sys.stderr)


def _require(name: str) -> Item:
    """Find an item, or raise InputError with the nearest names."""
    if item := find_item(name):
        return item
    raise InputError(f"{name!r} is no published checkpoint or direction: {suggest_items(name)}")
