import subprocess
import sys

import pytest

from latentedit.cli.main import COMMANDS

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_shtab_latentedit
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def complete(run, network, tmp_path):
    """Complete the last of some words in bash."""
    script = tmp_path / "completion.bash"
    script.write_text(run("completion", "bash").out)

    def ask(*words):
        done = subprocess.run(["bash", "-c", ASK, "bash", script, "latentedit", *words], capture_output=True, text=True)
        assert done.stderr == ""
        return done.stdout.split()

    return ask


def test_bash_completes_commands_flags_choices_names_and_files(complete, tmp_path):
    names = {command.__name__.rpartition(".")[2].replace("_", "-") for command in COMMANDS}
    assert set(complete("")) >= names
    assert complete("directions", "expo") == ["export"]
    assert complete("sweep", "--ping") == ["--ping-pong"]
    assert complete("sweep", "--unit", "s") == ["sigma"]
    assert complete("sweep", "--direction", "smi") == ["smile"]
    assert "ffhq-1024" in complete("sweep", "--network", "ffhq-1")
    assert complete("apply", "--photo", str(tmp_path / "tin")) == [str(tmp_path / "tiny.safetensors")]


@pytest.mark.parametrize(("shell", "opening"), [("zsh", "#compdef latentedit"), ("fish", "complete -c latentedit")])
def test_other_shells_have_their_script(run, shell, opening):
    script = run("completion", shell).out
    assert opening in script
    assert "ping-pong" in script


def test_without_shtab_the_extra_is_named(refuse, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    refuse(["completion", "zsh"], "pip install 'latentedit[completion]'", tmp_path)
