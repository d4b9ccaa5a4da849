"""Plain state dicts under NVIDIA's names: what `torch.save(G.state_dict(), file)` and safetensors hold."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from latentedit.checkpoints.archive import require_state
from latentedit.checkpoints.checkpoint import Checkpoint
from latentedit.checkpoints.completion import complete_generator
from latentedit.checkpoints.inference import infer_config, split_filters
from latentedit.errors import InputError
from latentedit.networks import Generator

ASSUMED = "a state dict says nothing of conv_clamp and lr_multiplier: none and 0.01 are assumed"


def interpret(content: object, notes: tuple[str, ...] = ()) -> Checkpoint:
    """Read a generator from its tensors alone."""
    state = require_state(content)
    if "synthesis.input.weight" in state:
        raise InputError(
            "a plain state dict of a StyleGAN3 generator, which says nothing of its frequency bands: "
            "give NVIDIA's .pkl or a latentedit .safetensors"
        )
    weights, taps = split_filters(state)
    config = replace(infer_config(weights), resample_filter=taps)
    generator, made_up = complete_generator(config, weights)
    return Checkpoint(generator, "nvidia-state-dict", notes=(*notes, ASSUMED, *made_up))


def express(generator: Generator) -> dict[str, Tensor]:
    """Write all that NVIDIA's own code asks for: weights, w_avg, noise and filters, by name."""
    filters = {name: x for name, x in generator.named_buffers() if name.endswith("resample_filter")}
    return {**generator.state_dict(), **filters}
