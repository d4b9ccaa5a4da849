"""The project's own checkpoint: one safetensors file whose header says what the generator is."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from latentedit.checkpoints.archive import require_state
from latentedit.checkpoints.checkpoint import Checkpoint, build_generator
from latentedit.checkpoints.identity import fingerprint
from latentedit.checkpoints.inference import TUNING, infer_config, infer_stylegan3_config
from latentedit.checkpoints.records import save_record
from latentedit.errors import InputError
from latentedit.networks import AnyConfig, Generator, read_config

KIND = "generator"
UNSHAPED = ("embed_features", "layer_features", "resample_filter")


def save_generator(
    path: str | Path,
    generator: Generator,
    source: str | None = None,
    licence: str | None = None,
    dtype: torch.dtype = torch.float32,
    card: Mapping[str, Any] | None = None,
) -> None:
    """Write a generator to one safetensors file, whole or not at all.

    `dtype` torch.float16 halves the file. Rounding makes it another generator: the header holds
    the fingerprint of the weights as stored. `card` is free text and numbers, fit for JSON.
    """
    state = {name: tensor.to(dtype) for name, tensor in generator.state_dict().items()}
    header = {
        "kind": KIND,
        "config": generator.config.to_dict(),
        "source": source,
        "licence": licence,
        "fingerprint": fingerprint(state),
        "card": dict(card or {}),
    }
    save_record(path, state, header)


def interpret(tensors: Mapping[str, object], header: Mapping[str, Any]) -> Checkpoint:
    """Read what `save_generator` wrote; the weights are float32 whatever the file's dtype."""
    if header.get("kind") != KIND:
        raise InputError(f"holds a {reprlib.repr(header.get('kind'))}, not a generator")
    state = require_state(tensors)
    infer = infer_stylegan3_config if "synthesis.input.weight" in state else infer_config
    generator = build_generator(_reconcile(infer(state), header.get("config")), state)
    return Checkpoint(
        generator,
        "latentedit",
        source=_require_kind(str, header, "source"),
        licence=_require_kind(str, header, "licence"),
        card=_require_kind(dict, header, "card") or {},
        stated_fingerprint=_require_kind(str, header, "fingerprint"),
    )


def _require_kind(kind: type, header: Mapping[str, Any], key: str) -> Any:
    """Return what the header says of a thing, which it may leave out."""
    if not isinstance(header.get(key), kind | None):
        raise InputError(f"damaged: its {key} is none")
    return header.get(key)


def _reconcile(inferred: AnyConfig, stated: object) -> AnyConfig:
    """Hold the header's config against what the tensors say."""
    try:
        config = read_config(dict(stated))  # type: ignore[call-overload]
    except (TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"damaged: its config is none ({error})") from error
    unshaped = {*UNSHAPED, *TUNING[config.architecture]} & asdict(config).keys()
    if type(config) is not type(inferred) or config != replace(inferred, **{k: getattr(config, k) for k in unshaped}):
        raise InputError("damaged: its config contradicts its tensors")
    return config
