"""`latentedit inspect`: say what a file is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from latentedit.checkpoints import load_checkpoint, load_record
from latentedit.checkpoints.zoo import BUNDLED
from latentedit.cli import arguments, printing
from latentedit.errors import InputError
from latentedit.library import read_direction

EXAMPLES = """\
  latentedit inspect faces                              the bundled generator
  latentedit inspect ffhq.pkl                           nothing in the file is executed
  latentedit inspect cond_smile.safetensors --json
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "inspect", run, "say what a checkpoint or direction file is", EXAMPLES)
    parser.add_argument("file", help="faces, or a file")
    arguments.add_output(parser, outdir=None)


def run(args: argparse.Namespace) -> None:
    """Recognise, describe and print."""
    facts = _describe(args.file)
    printing.announce(args, facts, fact_lines(facts))


def _describe(name: str) -> dict[str, Any]:
    """Collect what there is to say of a bundled generator or a file."""
    if name not in BUNDLED and not Path(name).is_file():
        raise InputError(f"{name} is neither a file nor one of {', '.join(BUNDLED)}: check the path")
    kind = load_record(name)[1].get("kind") if Path(name).suffix == ".safetensors" else "generator"
    if kind == "direction":
        return describe_direction(Path(name))
    if kind == "generator" or name in BUNDLED:
        return _describe_generator(name)
    return {"file": name, **load_record(name)[1]}


def _describe_generator(name: str) -> dict[str, Any]:
    """Describe a generator's checkpoint."""
    checkpoint = load_checkpoint(name)
    return {
        "file": name,
        "kind": "generator",
        "format": checkpoint.format,
        "fingerprint": checkpoint.fingerprint,
        "parameters": sum(p.numel() for p in checkpoint.generator.parameters()),
        "num_ws": checkpoint.config.num_ws,
        **checkpoint.config.to_dict(),
        "source": checkpoint.source,
        "licence": checkpoint.licence,
        "notes": list(checkpoint.notes),
        "card": dict(checkpoint.card),
    }


def describe_direction(path: Path) -> dict[str, Any]:
    """Describe a direction's file."""
    direction = read_direction(path)
    return {
        "file": str(path),
        "kind": "direction",
        "name": direction.name,
        "space": direction.space,
        "shape": list(direction.vector.shape),
        "layers": list(direction.layers),
        "norm": direction.norm,
        "unit": direction.unit,
        "sigma": direction.sigma,
        "generator": direction.generator,
        "provenance": direction.provenance,
    }


def fact_lines(facts: dict[str, Any]) -> list[str]:
    """Write one fact a line."""
    return [f"{key:20} {_shown(value)}" for key, value in facts.items()]


def _shown(value: Any) -> str:
    """Write a value on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {_shown(v)}" for k, v in value.items())
    return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value)
