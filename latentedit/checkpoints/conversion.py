"""Write a generator in the formats of other tools, equal to the bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentedit.checkpoints import rosinality, state_dicts
from latentedit.checkpoints.checkpoint import Checkpoint, require_stylegan2
from latentedit.checkpoints.inference import TUNING
from latentedit.checkpoints.native import save_generator
from latentedit.checkpoints.records import save_tensors
from latentedit.errors import InputError, about
from latentedit.files import replacing
from latentedit.networks import AnyConfig, GeneratorConfig, block_channels
from latentedit.vocabulary import CheckpointFormat

Notes = tuple[str, ...]
FILTERS = ("_filter", "kernel")
UNHEARD = ("conv_clamp", "num_fp16_res", "w_avg_beta", "use_radial_filters")  # lost with a note, or told by the filters


def convert(
    checkpoint: Checkpoint, path: str | Path, target: CheckpointFormat, dtype: torch.dtype = torch.float32
) -> Notes:
    """Write a checkpoint's generator in the format `target`, one of TARGETS: -> what that format cannot hold.

    `dtype` torch.float16 halves the file and makes it another generator. Raises InputError where the
    format has no place for the generator, and then writes nothing.
    """
    with about(path):
        suffixes, write = TARGETS[target]
        if Path(path).suffix not in suffixes:
            raise InputError(f"a {target} file ends in {' or '.join(suffixes)}: change the name")
        _require_range(checkpoint, dtype)
        if target != "latentedit":
            _require_told(checkpoint.config)
        return write(checkpoint, Path(path), dtype)


def guess_target(path: str | Path) -> CheckpointFormat:
    """Tell the format from a file's name, where only one comes into question."""
    suffix = Path(path).suffix
    fitting = [name for name, (suffixes, _) in TARGETS.items() if suffix in suffixes]
    if "latentedit" in fitting:  # its tensors have NVIDIA's names: it serves for both
        return "latentedit"
    if fitting:
        raise InputError(f"{path}: {suffix} does not tell the format, give --to {' or --to '.join(fitting)}")
    raise InputError(f"{path}: no format to write ends in {suffix!r}, give .safetensors, .pt or .pth")


def _require_range(checkpoint: Checkpoint, dtype: torch.dtype) -> None:
    """Refuse weights that the precision cannot hold."""
    for name, tensor in checkpoint.generator.state_dict().items():
        if tensor.abs().max() > torch.finfo(dtype).max:
            raise InputError(f"half precision cannot hold {name}, which goes beyond {torch.finfo(dtype).max:g}")


def _write_native(checkpoint: Checkpoint, path: Path, dtype: torch.dtype) -> Notes:
    save_generator(path, checkpoint.generator, checkpoint.source, checkpoint.licence, dtype, checkpoint.card)
    return ()


def _write_nvidia_safetensors(checkpoint: Checkpoint, path: Path, dtype: torch.dtype) -> Notes:
    save_tensors(path, _cast(state_dicts.express(checkpoint.generator), dtype), {"format": "pt"})
    return _list_losses(checkpoint.config)


def _write_nvidia_pt(checkpoint: Checkpoint, path: Path, dtype: torch.dtype) -> Notes:
    _save_archive(path, _cast(state_dicts.express(checkpoint.generator), dtype))
    return _list_losses(checkpoint.config)


def _write_rosinality_pt(checkpoint: Checkpoint, path: Path, dtype: torch.dtype) -> Notes:
    content = rosinality.express(checkpoint.generator)
    _save_archive(path, {"g_ema": _cast(content["g_ema"], dtype), "latent_avg": content["latent_avg"].to(dtype)})
    config = require_stylegan2(checkpoint.config)
    return _list_losses(config) + _list_remarks(config)


TARGETS: dict[CheckpointFormat, tuple[tuple[str, ...], Callable[[Checkpoint, Path, torch.dtype], Notes]]] = {
    "latentedit": ((".safetensors",), _write_native),
    "nvidia-safetensors": ((".safetensors",), _write_nvidia_safetensors),
    "nvidia-pt": ((".pt", ".pth"), _write_nvidia_pt),
    "rosinality-pt": ((".pt", ".pth"), _write_rosinality_pt),
}


def _require_told(config: AnyConfig) -> None:
    """Refuse a setting that bare tensors cannot hold and that changes every face."""
    for key in TUNING[config.architecture]:
        if key not in UNHEARD and getattr(config, key) != getattr(type(config), key):
            raise InputError(
                f"the format cannot hold {key} {getattr(config, key):g}, without which the faces are others: "
                "convert to latentedit instead"
            )


def _list_losses(config: AnyConfig) -> Notes:
    """Name the settings that bare tensors cannot hold, where they differ from what every reader assumes."""
    return tuple(
        f"{key} {getattr(config, key)} is lost: the format cannot hold it, and readers assume {assumed}"
        for key in ("conv_clamp", "num_fp16_res", "w_avg_beta")
        if getattr(config, key) != (assumed := getattr(type(config), key))
    )


def _list_remarks(config: GeneratorConfig) -> Notes:
    """Say what rosinality's own code has to be told."""
    notes: Notes = ()
    if config.channels not in [block_channels(config.img_resolution, 16384 * m, 512) for m in (1, 2)]:
        notes += (f"no channel_multiplier gives the widths {list(config.channels)}: set them in rosinality's code",)
    return notes if config.use_noise else (*notes, "it has no noise inputs: those of the file are zero")


def _cast(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Change the precision of all but the filters, which are no weights."""
    return {name: x if name.endswith(FILTERS) else x.to(dtype) for name, x in tensors.items()}


def _save_archive(path: Path, content: dict[str, Any]) -> None:
    """Write what torch.load reads, with weights_only too."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)
