"""Run the console blocks of pages and write below each command what it prints: python docs/making/consoles.py [PAGES]

The blocks of a page run in order in one empty folder. A picture whose line stands below <!-- from out/sweep.png --> is
taken from there. Without pages, all of docs/ is run; with --help-only, only quoted `--help` is written anew.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from latentedit.cli.main import main

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
BLOCK_OR_PICTURE = re.compile(
    r"```console\n(?P<block>.*?)```|<!-- from (?P<source>\S+) -->\n!\[[^\]]*\]\((?P<target>[^)]+)\)", re.S
)
WIDTH = "100"


def run_page(page: Path, help_only: bool) -> None:
    """Rewrite a page with what its commands print now."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(LATENTEDIT_HOME=f"{folder}/.library", LATENTEDIT_OFFLINE="1", COLUMNS=WIDTH)
        with chdir(folder):
            text = BLOCK_OR_PICTURE.sub(lambda part: _renew(part, page, help_only), page.read_text())
        for place, shown in [(f"{folder}/.library", "~/.latentedit"), (f"{ROOT}/", ""), (str(Path.home()), "~")]:
            text = text.replace(place, shown)
    page.write_text(text)


def _renew(part: re.Match[str], page: Path, help_only: bool) -> str:
    """Run a block, or take a picture as the blocks above have left it."""
    if part["block"] is not None:
        return f"```console\n{rerun(part['block'], help_only)}```"
    if not help_only:
        shutil.copyfile(part["source"], page.parent / part["target"])
    return part[0]


def rerun(block: str, help_only: bool) -> str:
    """Give every command of a block its output: "$ a\\nold\\n$ b\\n" -> "$ a\\nnew\\n$ b\\nnew\\n"."""
    return "".join(_refresh(part, help_only) for part in re.split(r"^(?=\$ )", block, flags=re.M) if part)


def _refresh(part: str, help_only: bool) -> str:
    """Run the command of one part, unless only help is wanted and this is none."""
    line = part.partition("\n")[0]
    if help_only and not line.endswith("--help"):
        return part
    text = f"{line}\n{run_line(line.removeprefix('$ '))}"
    print(text, end="", file=sys.stderr)
    return text


def run_line(line: str) -> str:
    """Run a line: what it prints; latentedit runs in this process, anything else in a shell."""
    if not line.startswith("latentedit ") or "|" in line:
        return subprocess.run(line, shell=True, check=True, capture_output=True, text=True).stdout
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(io.StringIO()) as said:
        try:
            code = main(shlex.split(line, comments=True)[1:])
        except SystemExit as stop:  # --help, a word that is none, and doctor
            code = stop.code
    return printed.getvalue() + (said.getvalue() if code else "")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, default=sorted(DOCS.rglob("*.md")))
    parser.add_argument("--help-only", action="store_true")
    args = parser.parse_args()
    for path in args.pages:
        print(path, file=sys.stderr)
        run_page(path.resolve(), args.help_only)
