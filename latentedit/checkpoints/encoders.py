"""Encoders of photographs (pSp, e4e, ReStyle, HyperStyle): the StyleGAN2 generator that their files carry along."""

from __future__ import annotations

import argparse
from typing import Any

from latentedit.checkpoints import rosinality
from latentedit.checkpoints.checkpoint import Checkpoint
from latentedit.errors import InputError

PREFIX = "decoder."


def interpret(content: dict[str, Any]) -> Checkpoint:
    """Read the decoder of a file with state_dict, latent_avg and opts; it is rosinality's generator."""
    state = content["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise InputError("damaged: its state_dict is none")
    decoder = {name.removeprefix(PREFIX): x for name, x in state.items() if name.startswith(PREFIX)}
    if not decoder:
        raise InputError(f"holds a state_dict without {PREFIX}*: no encoder that carries its generator along")
    others = len(state) - len(decoder)
    notes = (f"the generator is the decoder of an encoder's file: {others} other tensors are left out",)
    return rosinality.assemble(decoder, content.get("latent_avg"), _name_tool(content), notes)


def _name_tool(content: dict[str, Any]) -> str:
    """Tell the tools apart by what only their own files hold."""
    opts = content.get("opts")
    options = vars(opts) if isinstance(opts, argparse.Namespace) else opts
    if any(name.startswith("hypernet.") for name in content["state_dict"]):
        return "hyperstyle"
    if isinstance(options, dict) and "n_iters_per_batch" in options:
        return "restyle"
    return "e4e" if isinstance(options, dict) and options.get("encoder_type") == "Encoder4Editing" else "psp"
