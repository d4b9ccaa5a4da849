"""`latentedit completion`: a script that lets a shell complete commands, flags, names and files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import latentedit as le
from latentedit.cli import arguments
from latentedit.errors import InputError

SHELLS = ("bash", "zsh", "fish")
KINDS = ("generator", "direction")
EXAMPLES = """\
  latentedit completion bash > ~/.local/share/bash-completion/completions/latentedit
  latentedit completion zsh > ~/.zfunc/_latentedit       (and fpath+=~/.zfunc before compinit in ~/.zshrc)
  latentedit completion fish > ~/.config/fish/completions/latentedit.fish

It completes the names of directions and generators that are known when the script is written: write it again when
you have found new ones. Needs the extra `completion`.
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "completion", run, "print a script that completes commands", EXAMPLES)
    parser.add_argument("shell", choices=SHELLS)


def run(args: argparse.Namespace) -> None:
    """Print the script."""
    from latentedit.cli.main import build_parser

    try:
        import shtab
    except ModuleNotFoundError:
        raise InputError("completion needs shtab: pip install 'latentedit[completion]'") from None
    parser, names = build_parser(), _list_names()
    for action in _list_actions(parser):
        _describe(action, names, shtab.FILE)
    print(shtab.complete(parser, args.shell))


def _list_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """List the flags and arguments of a parser and of all its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from _list_actions(child)


def _describe(action: argparse.Action, names: dict[str, list[str]], file: object) -> None:
    """Say what an argument takes where argparse does not know: one of these names, or a file."""
    if action.dest in names:
        action.choices = names[action.dest]
    elif action.type is Path:
        action.complete = file  # type: ignore[attr-defined]


def _list_names() -> dict[str, list[str]]:
    """List what can be called by name, for the arguments that take such names."""
    from latentedit.downloads import list_items
    from latentedit.library import list_directions

    published = {kind: [item.name for item in list_items().values() if item.kind == kind] for kind in KINDS}
    own = list_directions(le.load_checkpoint("faces").fingerprint)
    return {"network": published["generator"], "direction": sorted({*own, *published["direction"]})}
