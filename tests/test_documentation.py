"""The site is built as it stands, loads nothing from elsewhere, and quotes what commands say today."""

import argparse
import importlib.util
import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from PIL import Image

import latentedit as le
from latentedit.cli.main import build_parser, main

ROOT = Path(__file__).parents[1]
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "making" not in page.parts]
QUOTED = re.compile(r"^\$ latentedit (.+) --help\n((?:(?!\$ |```).*\n)*)", re.M)
MEND = "put `$ latentedit {} --help` into a console block, then: python docs/making/consoles.py --help-only {}"


def list_commands(parser, path=()):
    """Walk through a parser: the words of every command and sub-command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield " ".join((*path, name))
                yield from list_commands(child, (*path, name))


def ask_for_help(command, monkeypatch):
    """Print a command's --help as wide as the pages quote it."""
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit), redirect_stdout(io.StringIO()) as printed:
        main([*command.split(), "--help"])
    return printed.getvalue()


def words_of(text):
    """Take the words alone: versions of Python lay options out differently."""
    return set(re.split(r"[\s,\[\]|]+", text))


@pytest.fixture(scope="module")
def quoted():
    """The help that pages quote: command -> (page, text)."""
    found = [(page, match) for page in PAGES for match in QUOTED.finditer(page.read_text())]
    return {match[1]: (page.relative_to(ROOT), match[2]) for page, match in found}


@pytest.mark.parametrize("command", [*list_commands(build_parser())])
def test_a_page_quotes_the_help_of_every_command_as_it_is(command, quoted, monkeypatch):
    assert command in quoted, f"no page: {MEND.format(command, 'docs/commands/' + command.split()[0] + '.md')}"
    page, text = quoted[command]
    assert words_of(text) == words_of(ask_for_help(command, monkeypatch)), MEND.format(command, page)


def test_no_page_quotes_a_command_that_is_gone(quoted):
    assert quoted.keys() == set(list_commands(build_parser()))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages as mkdocs builds them; a link that leads nowhere or a page outside the navigation fails."""
    pytest.importorskip("material", reason="pip install 'latentedit[docs]' to build the site")
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_loads_nothing_from_elsewhere(site):
    loads = r"<(?:script|img|iframe|source)[^>]+src=\"?(?:https?:)?//|<link[^>]+href=\"?(?:https?:)?//|url\(http"
    for page in [*site.rglob("*.html"), *site.rglob("*.css")]:
        assert not re.search(loads, page.read_text()), page


def test_the_reference_says_what_every_public_name_does(site):
    page = (site / "reference.html").read_text()
    for name in dir(le):
        anchor = re.search(rf'id="latentedit\.[\w.]*\b{name}"', page)
        assert anchor, name
        assert 'class="doc doc-contents' in page[anchor.end() :][:4000], f"{name} has no docstring"


def test_every_notebook_is_a_page_with_its_pictures(site):
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        page = (site / "notebooks" / f"{notebook.stem}.html").read_text()
        pictures = re.findall(rf'src="?({notebook.stem}/[^" >]+)', page)
        assert pictures, notebook.stem
        assert all((site / "notebooks" / picture).exists() for picture in pictures)


@pytest.fixture(scope="module")
def consoles():
    """The script that runs the console blocks of pages."""
    spec = importlib.util.spec_from_file_location("consoles", ROOT / "docs" / "making" / "consoles.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_console_block_gets_what_its_commands_print(consoles, tmp_path, monkeypatch):
    monkeypatch.setattr("os.environ", {**consoles.os.environ})
    page = tmp_path / "page.md"
    block = "```console\n$ echo one > made.png\n$ cat made.png\nstale\n$ latentedit inspect none.pt\nstale\n```\n"
    page.write_text(f"# A\n\n{block}\n<!-- from made.png -->\n![one](kept.png)\n")
    consoles.run_page(page, help_only=True)
    assert "stale" in page.read_text()
    consoles.run_page(page, help_only=False)
    text = page.read_text()
    assert "$ echo one > made.png\n$ cat made.png\none\n$ latentedit inspect none.pt\nlatentedit inspect: " in text
    assert "stale" not in text
    assert (tmp_path / "kept.png").read_text() == "one\n"


def test_the_social_card_has_its_size():
    with Image.open(ROOT / "docs" / "social.png") as card:
        assert card.size == (1280, 640)
