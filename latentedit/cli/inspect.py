"""`latentedit inspect`: say what a file is."""

from __future__ import annotations

import argparse

from latentedit.cli import arguments, printing

EXAMPLES = """\
  latentedit inspect faces                              the bundled generator
  latentedit inspect ffhq.pkl                           nothing in the file is executed
  latentedit inspect cond_smile.safetensors --json
  latentedit inspect ffhq_pca.pt:10
  latentedit inspect interfacegan-ffhq-age              downloaded on first use
  latentedit inspect age_boundary.npy --network ffhq.pkl
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "inspect", run, "say what a file is, and what is odd about it", EXAMPLES)
    parser.add_argument("file", help="a file, FILE:INDEX where it holds many directions, or a name or an https address")
    arguments.add_network(parser)
    parser.set_defaults(network=None)
    arguments.add_output(parser, outdir=None)


def run(args: argparse.Namespace) -> None:
    """Recognise, describe and print."""
    from latentedit.cli.description import describe

    generator = None if args.network is None else arguments.open_network(args).generator
    facts = describe(args.file, generator)
    printing.announce(args, facts, printing.fact_lines(facts))
