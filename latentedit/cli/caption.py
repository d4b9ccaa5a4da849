"""`latentedit caption`: descriptions of pictures in words, by any program or a server with Ollama's interface."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING

from latentedit.cli import arguments, printing
from latentedit.errors import InputError

if TYPE_CHECKING:
    from latentedit.predictors.captions import Describe

EXAMPLES = """\
  latentedit caption faces/ --server http://localhost:11434 --model llama3.2-vision --out captions.csv
  latentedit caption faces/ --program 'describe --short {image}' --out captions.csv
  latentedit train predictor --preset face_text --data faces.csv --captions captions.csv
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "caption", run, "describe pictures in words", EXAMPLES)
    parser.add_argument("images", nargs="+", help="image files, folders of them, or patterns in quotes")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--program", metavar="COMMAND", help="prints a caption of {image}, or of its last word")
    source.add_argument("--server", metavar="URL", help="Ollama's, or one with its interface")
    parser.add_argument("--model", default="llama3.2-vision", help="of the server (default %(default)s)")
    parser.add_argument("--prompt", help="for the server (default: that of the published system, for faces)")
    parser.add_argument("--out", type=Path, default=Path("captions.csv"), help="image, caption (default %(default)s)")
    parser.add_argument("--cache", type=Path, metavar="JSON", help="what was asked before (default: beside --out)")
    arguments.add_output(parser, outdir=None)


def run(args: argparse.Namespace) -> None:
    """Describe every picture, none twice, and write the table that trainings read."""
    from tqdm import tqdm

    from latentedit.files import replacing
    from latentedit.predictors.captions import Cache
    from latentedit.scoresheet import find_images

    paths = find_images(args.images)
    cache = args.cache or args.out.with_suffix(".cache.json")
    describe = Cache(cache, _choose_source(args))
    rows = [(path, describe(path)) for path in tqdm(paths, "describing", unit="img", disable=args.quiet or args.json)]
    with replacing(args.out) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "caption"), *rows])
    facts = {"file": str(args.out), "images": len(rows), "cache": str(cache)}
    printing.announce(args, facts, [f"written    {args.out}, {len(rows)} captions; {cache} keeps them"])


def _choose_source(args: argparse.Namespace) -> Describe:
    from latentedit.predictors.captions import PROMPT, Program, Server

    if args.program is None:
        return Server(args.server, args.model, args.prompt or PROMPT)
    if args.prompt is not None:
        raise InputError("--prompt: a --program has its own, leave it out")
    return Program(args.program)
