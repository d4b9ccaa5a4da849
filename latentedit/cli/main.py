"""`latentedit COMMAND ...`: choose the command, and turn mistakes into one line and exit code 2."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, NoReturn

from latentedit.cli import (
    align,
    apply,
    bench,
    caption,
    completion,
    condition,
    convert,
    datasets,
    directions,
    discover,
    doctor,
    evaluate,
    evaluate_predictor,
    explain,
    explore,
    expose,
    inspect,
    interpolate,
    invert,
    models,
    sample,
    score,
    similar,
    sweep,
    train,
)
from latentedit.downloads import switches
from latentedit.errors import InputError, Notice, one_line

COMMANDS = (
    apply,
    sweep,
    interpolate,
    explore,
    sample,
    align,
    invert,
    discover,
    condition,
    evaluate,
    evaluate_predictor,
    explain,
    similar,
    score,
    inspect,
    convert,
    directions,
    models,
    datasets,
    caption,
    expose,
    train,
    bench,
    doctor,
    completion,
)
EXAMPLES = """examples:
  latentedit apply --direction w_sq --alpha 3             a face, the same face edited, both scores
  latentedit sweep --direction w_sq --seeds 0-3 --start -6 --end 6 --steps 7
  latentedit interpolate --seeds 1,5,9 --loop             a film from face to face
  latentedit explore                                      a page with sliders
  latentedit sample --num 100000 --out pop                latents and scores, gone on with after a kill
  latentedit discover --scorer omi:happy --name joy       a direction of your own
  latentedit condition w_sq --without smile --name cond_smile
  latentedit evaluate w_sq cond_smile                     what each does, and what else at equal effect
  latentedit directions list
  latentedit models list                                  published checkpoints, downloaded when they are named
"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, and to which -1e1, -.5 and -inf are numbers too."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._negative_number_matcher = re.compile(r"-(\.?\d|inf|nan)", re.IGNORECASE)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {one_line(message)} ({self.prog} --help shows examples)\n")


def build_parser() -> Parser:
    """Make the parser of all commands."""
    parser = Parser(
        prog="latentedit",
        description=f"Edit faces in the latent space of StyleGAN, and prove what the edit did.\n\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"latentedit {version('latentedit')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


@contextmanager
def _telling(command: str) -> Iterator[None]:
    """Show a Notice as one line on stderr; other warnings go their usual way."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **where: Any) -> None:
        if issubclass(category, Notice):
            print(f"latentedit {command}: {one_line(str(message))}", file=sys.stderr)
        else:
            usual(message, category, *place, **where)

    with warnings.catch_warnings():
        warnings.simplefilter("default", Notice)
        warnings.showwarning = show
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 2 for a mistake of the user's, 130 for an interrupt."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name may hold letters that the terminal has not
    parsed = build_parser().parse_args(arguments)
    try:
        offline, quiet = getattr(parsed, "offline", False), getattr(parsed, "quiet", False)
        with _telling(parsed.command), switches(offline, quiet):
            parsed.run(parsed)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (InputError, OSError) as error:
        print(f"latentedit {parsed.command}: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"latentedit {parsed.command}: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
