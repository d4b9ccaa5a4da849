"""The predictors by name: PREDICTORS makes any of them untrained, `load_predictor` brings one with its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from latentedit.checkpoints import load_record, save_record
from latentedit.errors import InputError, about, damaged
from latentedit.predictors.attributes import suggest
from latentedit.predictors.autoencoder import LatentRegressor
from latentedit.predictors.face_regressor import BACKBONES, FUSIONS, FaceRegressor
from latentedit.predictors.face_text import FaceText
from latentedit.predictors.frozen_features import FrozenFeatures
from latentedit.predictors.predictor import Predictor
from latentedit.predictors.resmem import ResMem, load_resmem
from latentedit.predictors.sigmoid_head import SigmoidHead
from latentedit.predictors.vit import ViTMem, load_vitmem

KIND = "predictor"
PREDICTORS: dict[str, Callable[..., Predictor]] = {
    "resmem": ResMem,
    **{name: partial(FaceRegressor, (name,)) for name in BACKBONES},
    **{name: partial(FaceRegressor, parts) for name, parts in FUSIONS.items()},
    "latent_mlp": LatentRegressor,
    "vitmem": ViTMem,
    "sigmoid_head": SigmoidHead,
    "frozen_features": FrozenFeatures,
    "face_text": FaceText,
}
PUBLISHED: dict[str, Callable[..., Predictor]] = {
    "resmem": load_resmem,
    "vitmem": load_vitmem,
}  # those whose weights can be had


def make_predictor(name: str, **settings: Any) -> Predictor:
    """Make an untrained predictor of PREDICTORS; the settings are those of its class."""
    if name not in PREDICTORS:
        raise InputError(f"no predictor is called {name!r}: {suggest(name, list(PREDICTORS))}")
    if unknown := settings.keys() - signature(PREDICTORS[name]).parameters.keys():
        raise InputError(f"predictor {name} has no {' or '.join(sorted(unknown))} to set: leave that out")
    return PREDICTORS[name](**settings)


def load_predictor(name: str | Path) -> Predictor:
    """Load a published predictor by name, or one that `save_predictor` wrote, ready to score."""
    if name in PUBLISHED:
        return PUBLISHED[str(name)]()
    if not str(name).endswith(".safetensors"):
        raise InputError(f"no weights are published for {str(name)!r}: {suggest(str(name), list(PUBLISHED))}")
    state, header = load_record(name)
    with about(name), damaged("not a predictor that latentedit wrote: train it again"):
        if header["kind"] != KIND:
            raise ValueError("another kind of record")
        network = make_predictor(header["predictor"], **header["settings"])
        network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def save_predictor(
    path: str | Path, network: Predictor, name: str, settings: Mapping[str, Any], header: Mapping[str, Any]
) -> None:
    """Write a trained predictor as one safetensors file: its name in PREDICTORS, settings and weights.

    The header takes what else is worth knowing, such as the data and the figures of the training.
    """
    stated = {"kind": KIND, "predictor": name, "settings": dict(settings)}
    tensors = {key: torch.as_tensor(tensor) for key, tensor in network.state_dict().items()}
    save_record(path, tensors, {**header, **stated})
