"""`latentedit explore`: a page on this machine that edits a face while sliders are dragged."""

from __future__ import annotations

import argparse
import webbrowser

from latentedit.cli import arguments
from latentedit.errors import InputError

EXAMPLES = """\
  latentedit explore
  latentedit explore --network ffhq.pkl --directions age.npy pose.npy
  latentedit explore --port 8765 --no-browser            from another machine: ssh -L 8765:127.0.0.1:8765 HOST

The page is on 127.0.0.1, where only this machine's own browsers reach it, and asks nothing of any other machine.
Photographs that are uploaded stay in memory for as long as their page is open.
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "explore", run, "open a page that edits a face with sliders", EXAMPLES)
    parser.add_argument(
        "--directions",
        nargs="+",
        default=[],
        metavar="D",
        help="names or files that the page offers, beside the library's",
    )
    parser.add_argument("--port", type=parse_port, default=8765, metavar="N", help="default 8765, 0: any that is free")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument(
        "--steps", type=arguments.parse_count, default=200, help="of a photograph's inversion (default 200)"
    )
    parser.add_argument("--class", dest="class_index", type=int, metavar="C", help="class of a conditional generator")
    arguments.add_network(parser)
    arguments.add_scorer(parser)


def parse_port(text: str) -> int:
    """Read a port of TCP."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give 0 to 65535")
    return int(text)


def run(args: argparse.Namespace) -> None:
    """Load, serve until interrupted."""
    from latentedit.explorer import PageServer, Workshop
    from latentedit.inversion import ProjectionSettings

    checkpoint = arguments.open_network(args)
    workshop = Workshop(checkpoint, args.network, args.directions, args.scorer, args.class_index)
    try:
        server = PageServer(workshop, args.port, ProjectionSettings(num_steps=args.steps))
    except OSError as error:
        raise InputError(f"--port {args.port} can't be had ({error.strerror}): give another, or 0 for any") from error
    with server:
        print(f"page       {server.url}  (Ctrl-C ends it)", flush=True)
        if not args.no_browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
