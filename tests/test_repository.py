"""The whole checkout: style, types, layers, and what the README promises."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str, **options) -> str:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("command", [["ruff", "check", "."], ["ruff", "format", "--check", "."]])
def test_style(command):
    run(*command)


def test_types():
    run("mypy")


def test_imports_run_one_way():
    done = subprocess.run([Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_compiles_and_reads_nothing():
    code = (
        "import latentedit, sys; assert not {'torch.utils.cpp_extension', 'requests'} & sys.modules.keys(); print('ok')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "ok\n"


def test_public_names_are_the_checked_in_list():
    import latentedit

    assert dir(latentedit) == (ROOT / "tests" / "public_names.txt").read_text().split()


def test_every_package_is_in_the_readmes_table():
    table = (ROOT / "README.md").read_text()
    for path in sorted((ROOT / "latentedit").iterdir()):
        if path.name[0] not in "_." and path.suffix in ("", ".py"):
            assert f"latentedit/{path.name}" in table, f"{path.name} is not in 'Where does a line live?'"
