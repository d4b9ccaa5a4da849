"""Asking for help or making a typing mistake loads nothing heavy: start-up stays a fraction of a second."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

import latentedit as le
from latentedit.checkpoints import TARGETS
from latentedit.cli.main import build_parser
from latentedit.formats import WRITERS
from latentedit.vocabulary import CHECKPOINT_FORMATS, DIRECTION_FORMATS

HEAVY = {"torch", "numpy", "PIL", "scipy", "sklearn", "imageio", "requests", "tqdm", "safetensors"}
PROBE = """
import json, sys
from latentedit.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    print(json.dumps([stop.code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def list_commands(parser, path=()):
    """Walk through a parser: () for itself, then the words of every command and sub-command."""
    yield path
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from list_commands(child, (*path, name))


def probe(*words):
    """Run words in a fresh interpreter: -> exit code and the top-level packages that it loaded."""
    done = subprocess.run([sys.executable, "-c", PROBE, *words], capture_output=True, text=True, check=True)
    code, loaded = json.loads(done.stdout.splitlines()[-1])
    return code, HEAVY & set(loaded)


@pytest.mark.parametrize("command", [*list_commands(build_parser())], ids=" ".join)
def test_help_loads_nothing_heavy(command):
    assert probe(*command, "--help") == (0, set())


@pytest.mark.parametrize("words", [["aply"], ["apply", "--alpha", "much"], ["sweep", "--unit", "inch"], ["--version"]])
def test_a_wrong_word_loads_nothing_heavy(words):
    assert probe(*words) == (0 if words == ["--version"] else 2, set())


def test_the_probe_sees_what_a_command_loads(tmp_path):
    code = "import latentedit as le; le.render, le.image_grid\n" + PROBE
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    assert {"torch", "numpy", "PIL"} <= set(json.loads(done.stdout.splitlines()[-1])[1])


@pytest.mark.parametrize("name", dir(le))
def test_every_public_name_resolves(name):
    assert getattr(le, name) is not None


def test_an_unknown_public_name_is_refused_by_name():
    with pytest.raises(AttributeError, match="rendr"):
        _ = le.rendr


def test_the_words_of_choices_are_those_that_are_acted_on():
    assert tuple(TARGETS) == CHECKPOINT_FORMATS
    assert tuple(WRITERS) == DIRECTION_FORMATS


def test_the_list_of_public_names_is_installed(tmp_path):
    build = [sys.executable, "setup.py", "-q", "build_py", "-d", tmp_path]
    subprocess.run(build, cwd=Path(__file__).parents[2], check=True, capture_output=True)
    assert (tmp_path / "latentedit" / "__init__.pyi").is_file()
