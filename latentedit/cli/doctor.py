"""`latentedit doctor`: what is installed, compiled, reachable and licensed."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from latentedit.cli import arguments, printing

if TYPE_CHECKING:
    from latentedit.diagnosis import Finding

EXAMPLES = """\
  latentedit doctor
  latentedit doctor --build                             compile ahead of time what this machine can use
  latentedit doctor --offline                           ask no host whether it is there
  latentedit doctor --json

Exit code 0: the core works, whatever the notes; 1: something that it needs is broken, or did not build.
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "doctor", run, "say what works here and how to mend the rest", EXAMPLES)
    parser.add_argument("--build", action="store_true", help="compile the operators now, not on first use")
    arguments.add_offline(parser)
    arguments.add_output(parser, outdir=None)


def run(args: argparse.Namespace) -> None:
    """Look, print, and exit with 1 if something is broken."""
    from latentedit.diagnosis import TOPICS, diagnose

    findings = list(diagnose(args.build))
    lines = [line for topic in TOPICS for line in _topic_lines(topic, [f for f in findings if f.topic == topic])]
    printing.announce(args, [asdict(finding) for finding in findings], lines)
    if any(finding.state == "broken" for finding in findings):
        sys.exit(1)


def _topic_lines(topic: str, findings: list[Finding]) -> list[str]:
    """Write a topic's findings under its name, with their advice below."""
    lines = [topic] if findings else []
    for finding in findings:
        lines.append(f"  {finding.state:6}  {finding.name:15}  {finding.text}")
        if finding.advice:
            lines.append(f"  {'':6}  {'':15}  {finding.advice}")
    return lines
