"""Plain state dicts under NVIDIA's names: what `torch.save(G.state_dict(), file)` and safetensors hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from latentedit.checkpoints.archive import require_state
from latentedit.checkpoints.checkpoint import Checkpoint
from latentedit.checkpoints.completion import complete_generator
from latentedit.checkpoints.inference import infer_config, split_filters
from latentedit.checkpoints.nvidia import build_stylegan3
from latentedit.errors import InputError
from latentedit.networks import Generator

ASSUMED_BANDS = (
    "a state dict says nothing of conv_clamp, lr_multiplier, output_scale and the frequency bands: "
    "those of NVIDIA's published models are assumed"
)
ASSUMED = "a state dict says nothing of conv_clamp and lr_multiplier: none and 0.01 are assumed"


def interpret(content: object, notes: tuple[str, ...] = ()) -> Checkpoint:
    """Read a generator from its tensors alone."""
    state = require_state(content)
    if "synthesis.input.weight" in state:
        return Checkpoint(_build_stylegan3(state), "nvidia-state-dict", notes=(*notes, ASSUMED_BANDS))
    weights, taps = split_filters(state)
    config = replace(infer_config(weights), resample_filter=taps)
    generator, made_up = complete_generator(config, weights)
    return Checkpoint(generator, "nvidia-state-dict", notes=(*notes, ASSUMED, *made_up))


def _build_stylegan3(state: Mapping[str, Tensor]) -> Generator:
    """Build a StyleGAN3 of the published models' bands, which names, shapes and filters must bear out."""
    try:
        return build_stylegan3({}, state)
    except InputError as error:
        raise InputError(
            f"a StyleGAN3 state dict that is damaged or not of the published models' bands ({error}): "
            "give NVIDIA's .pkl, which states them, or a latentedit .safetensors"
        ) from error


def express(generator: Generator) -> dict[str, Tensor]:
    """Write all that NVIDIA's own code asks for: weights, w_avg, noise and filters, by name."""
    filters = {name: x for name, x in generator.named_buffers() if name.endswith("_filter")}
    return {**generator.state_dict(), **filters}
