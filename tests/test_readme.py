"""What the README and the pages that it leads to show is what happens."""

import re
import shlex
from pathlib import Path

import pytest

from latentedit.cli.main import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
LIST = (ROOT / "docs" / "commands" / "index.md").read_text()
START = (ROOT / "docs" / "start.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", LIST, re.S) for line in block.splitlines()]
RUN_ELSEWHERE = ("latentedit train", "latentedit bench")
PROMPTS = [line for line in COMMANDS if line.startswith("latentedit ") and not line.startswith(RUN_ELSEWHERE)]


@pytest.mark.parametrize("line", PROMPTS)
def test_a_listed_command_runs(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line, comments=True)[1:]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("page", [README, START], ids=["README", "start"])
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "page", "exec"), {})


def test_every_file_that_the_readme_names_is_there():
    for target in re.findall(r"\]\(([^)#:]+)\)|src=\"([^\":]+)\"", README):
        assert (ROOT / (target[0] or target[1])).exists(), target


def test_both_commands_are_one_line_and_pin_torch():
    for name in ("run", "test"):
        block = re.search(rf"<!-- {name} -->\n```sh\n(.*?)```", README, re.S)
        assert block
        assert block[1].count("\n") == 1
        assert "-m venv" in block[1]
        assert "-c constraints.txt" in block[1]
