"""NVIDIA's PyTorch pickles (stylegan2-ada-pytorch, stylegan3), read without running the code they carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from math import isclose
from typing import Any

from torch import Tensor

from latentedit.checkpoints.checkpoint import Checkpoint, build_generator
from latentedit.checkpoints.inert import Call
from latentedit.checkpoints.inference import TUNING, infer_config, infer_stylegan3_config, split_filters
from latentedit.checkpoints.settings import DIMENSIONS, Parts, join, reconcile, require_supported, walk
from latentedit.checkpoints.unpickler import rebuild_number, rebuild_tensor
from latentedit.errors import InputError
from latentedit.networks import Generator

SIZES = ("num_ws", "num_layers", "embed_features", "layer_features", "channel_base", "channel_max")
STATED = {*DIMENSIONS, *SIZES, "resample_filter", "architecture", "activation"}


def interpret(network: object, format: str, notes: tuple[str, ...] = ()) -> Checkpoint:
    """Read the generator that a pickle of NVIDIA's classes holds."""
    modules = dict(walk(network, ".", _read))
    if "mapping" not in modules or not modules.keys() & {"synthesis.b4", "synthesis.input"}:
        raise InputError("no StyleGAN generator: it has no mapping, or neither synthesis.b4 nor synthesis.input")
    is_stylegan3 = "synthesis.input" in modules
    settings = _gather_settings(modules, STATED.union(TUNING["stylegan3" if is_stylegan3 else "stylegan2"]))
    build = build_stylegan3 if is_stylegan3 else _build_stylegan2
    return Checkpoint(build(settings, dict(_tensors(modules))), format, notes=notes)


def _build_stylegan2(settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Generator:
    weights, taps = split_filters(tensors)
    config = replace(infer_config(weights), resample_filter=taps)
    if not _same_filter(settings.get("resample_filter", taps), taps):
        raise InputError(f"contradicts itself: its buffers are not the resample_filter {settings['resample_filter']!r}")
    return build_generator(reconcile(config, settings), weights)


def build_stylegan3(settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Generator:
    """Build a generator from all its tensors and what is said of it; the filters must be those that its bands make."""
    filters = {name: tensor for name, tensor in tensors.items() if name.endswith(("up_filter", "down_filter"))}
    weights = {name: tensor for name, tensor in tensors.items() if name not in filters}
    config = infer_stylegan3_config(weights)
    if filters:
        config = replace(config, use_radial_filters=any(taps.ndim == 2 for taps in filters.values()))
    generator = build_generator(reconcile(config, settings), weights)
    designed = dict(generator.named_buffers())
    for name, taps in filters.items():
        if name not in designed or not _agree(taps, designed[name]):
            raise InputError(f"contradicts itself: {name[:80]!r} is not the filter that its settings make")
    return generator


def _agree(taps: Tensor, designed: Tensor) -> bool:
    return taps.is_floating_point() and taps.shape == designed.shape and taps.float().allclose(designed, atol=1e-5)


def _read(path: str, module: object) -> tuple[dict[str, Any], Mapping[Any, object]]:
    """Return what a module's `__dict__` held, and its children; the source text beside it is never looked at."""
    match module:
        case Call(
            "torch_utils.persistence._reconstruct_persistent_obj",
            ({"state": {"_modules": dict() as children, "_parameters": dict(), "_buffers": dict()} as state},),
        ):
            return state, children
    raise InputError(f"the module {path!r} is none of NVIDIA's: not supported")


def _tensors(modules: Parts) -> Iterator[tuple[str, Tensor]]:
    for path, attributes in modules.items():
        for kind in ("_parameters", "_buffers"):
            for name, value in attributes[kind].items():
                if value is not None:
                    yield join(path, ".", name), rebuild_tensor(value)


def _gather_settings(modules: Parts, keys: Set[str]) -> dict[str, Any]:
    """Collect what all modules say of each setting, which must be one thing and supported."""
    settings: dict[str, Any] = {}
    for path, attributes in modules.items():
        for key, value in _statements(path, attributes, keys):
            require_supported(path, key, value)
            if key != "activation" and settings.setdefault(key, value) != value:
                raise InputError(f"contradicts itself: {key} is {settings[key]!r}, and {value!r} in {path!r}")
    return settings


def _statements(path: str, attributes: Mapping[str, Any], keys: Set[str]) -> Iterator[tuple[str, Any]]:
    """Yield a module's settings: from its attributes and its keyword arguments, flat or nested in *_kwargs."""
    arguments = _dictionary(attributes.get("_init_kwargs"))
    mapping, synthesis, block = [
        _dictionary(arguments.get(f"{name}_kwargs")) for name in ("mapping", "synthesis", "block")
    ]
    for source in (attributes, arguments, mapping, synthesis, block):
        # StyleGAN3 has a number of layers in the mapping and another, of the same name, in the synthesis.
        is_of_synthesis = path != "mapping" and source is not mapping
        for key in keys & source.keys():
            if source[key] is not None or key == "conv_clamp":
                name = "num_synthesis_layers" if key == "num_layers" and is_of_synthesis else key
                yield name, rebuild_number(source[key])


def _dictionary(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _same_filter(taps: Sequence[float], others: Sequence[float]) -> bool:
    """Tell whether two filters are equal up to their scale."""
    return len(taps) == len(others) and all(
        isclose(tap * sum(others), other * sum(taps), rel_tol=1e-5) for tap, other in zip(taps, others, strict=True)
    )
