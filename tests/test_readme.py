"""What the README shows is what happens."""

import re
import shlex
from pathlib import Path

import pytest

from latentedit.cli.main import main

README = (Path(__file__).parents[1] / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()]
PROMPTS = [line for line in COMMANDS if line.startswith("latentedit ") and "train" not in line]


@pytest.mark.parametrize("line", PROMPTS)
def test_a_command_of_the_readme_runs(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line, comments=True)[1:]) == 0
    assert capsys.readouterr().out


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_every_file_that_the_readme_names_is_there():
    root = Path(__file__).parents[1]
    for target in re.findall(r"\]\(([^)#:]+)\)|src=\"([^\":]+)\"", README):
        assert (root / (target[0] or target[1])).exists(), target


def test_both_commands_are_one_line_and_pin_torch():
    for name in ("run", "test"):
        block = re.search(rf"<!-- {name} -->\n```sh\n(.*?)```", README, re.S)
        assert block
        assert block[1].count("\n") == 1
        assert "-m venv" in block[1]
        assert "-c constraints.txt" in block[1]
