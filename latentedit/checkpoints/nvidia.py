"""NVIDIA's PyTorch pickles (stylegan2-ada-pytorch, stylegan3), read without running the code they carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import isclose
from typing import Any

from torch import Tensor

from latentedit.checkpoints.checkpoint import Checkpoint, build_generator
from latentedit.checkpoints.inert import Call
from latentedit.checkpoints.inference import infer_config, split_filters
from latentedit.checkpoints.unpickler import rebuild_number, rebuild_tensor
from latentedit.errors import InputError
from latentedit.networks import GeneratorConfig, block_channels

Modules = Mapping[str, Mapping[str, Any]]  # dotted path -> the module's attributes
DIMENSIONS = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "num_ws", "use_noise")
TUNING = ("lr_multiplier", "w_avg_beta", "conv_clamp")  # what no shape tells
SIZES = ("num_layers", "embed_features", "layer_features", "channel_base", "channel_max")
SETTINGS = {*DIMENSIONS, *TUNING, *SIZES, "resample_filter", "architecture", "activation"}


def interpret(network: object, format: str, notes: tuple[str, ...] = ()) -> Checkpoint:
    """Read the generator that a pickle of NVIDIA's classes holds."""
    modules = dict(_walk(network))
    _require_stylegan2(modules)
    settings = _gather_settings(modules)
    weights, taps = split_filters(dict(_tensors(modules)))
    config = reconcile(replace(infer_config(weights), resample_filter=taps), settings)
    generator = build_generator(config, weights)
    return Checkpoint(generator, format, notes=notes)


def _walk(network: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every module's dotted path and attributes, the network itself under ""."""
    waiting, seen = [("", network)], set()
    while waiting:
        path, module = waiting.pop()
        if id(module) in seen:
            raise InputError(f"damaged: the module {path!r} is in the network twice")
        seen.add(id(module))
        attributes = _attributes(path, module)
        yield path, attributes
        children = attributes["_modules"].items()
        waiting += [(_join(path, name), child) for name, child in children if child is not None]


def _attributes(path: str, module: object) -> dict[str, Any]:
    """Return what a module's `__dict__` held; the source text beside it is never looked at."""
    match module:
        case Call(
            "torch_utils.persistence._reconstruct_persistent_obj",
            ({"state": {"_modules": dict(), "_parameters": dict(), "_buffers": dict()}} as meta,),
        ):
            return dict(meta["state"])
    raise InputError(f"the module {path!r} is none of NVIDIA's: not supported")


def _join(path: str, name: object) -> str:
    if not isinstance(name, str):
        raise InputError(f"damaged: a part of the module {path!r} has no name")
    return f"{path}.{name}".lstrip(".")


def _require_stylegan2(modules: Modules) -> None:
    if any(path.startswith(("synthesis.input", "synthesis.L0_")) for path in modules):
        raise InputError("a StyleGAN3 generator: not supported, give a StyleGAN2 checkpoint")
    if "synthesis.b4" not in modules or "mapping" not in modules:
        raise InputError("no StyleGAN2 generator: it has no mapping or no synthesis.b4")


def _tensors(modules: Modules) -> Iterator[tuple[str, Tensor]]:
    for path, attributes in modules.items():
        for kind in ("_parameters", "_buffers"):
            for name, value in attributes[kind].items():
                if value is not None:
                    yield _join(path, name), rebuild_tensor(value)


def _gather_settings(modules: Modules) -> dict[str, Any]:
    """Collect what all modules say of each setting, which must be one thing and supported."""
    settings: dict[str, Any] = {}
    for path, attributes in modules.items():
        for key, value in _statements(attributes):
            require_supported(path, key, value)
            if key != "activation" and settings.setdefault(key, value) != value:
                raise InputError(f"contradicts itself: {key} is {settings[key]!r}, and {value!r} in {path!r}")
    return settings


def _statements(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield a module's settings: from its attributes and its keyword arguments, flat or nested in *_kwargs."""
    arguments = _dictionary(attributes.get("_init_kwargs"))
    nested = [_dictionary(arguments.get(name)) for name in ("mapping_kwargs", "synthesis_kwargs", "block_kwargs")]
    for source in (attributes, arguments, *nested):
        for key in SETTINGS & source.keys():
            if source[key] is not None or key == "conv_clamp":
                yield key, rebuild_number(source[key])


def _dictionary(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def require_supported(path: str, key: str, value: Any) -> None:
    """Refuse a setting of the module at `path` that is none, or one that no generator here has."""
    if not _makes_sense(key, value):
        raise InputError(f"damaged: {key} of the module {path!r} makes no sense")
    if key == "architecture" and value != "skip":
        raise InputError(f"a StyleGAN2 generator of architecture {value!r:.40}: not supported, only 'skip' is")
    if key == "activation" and value != ("linear" if path.endswith(("affine", "embed")) else "lrelu"):
        raise InputError(f"a StyleGAN2 generator with activation {value!r:.40}: not supported, only 'lrelu' is")


def _makes_sense(key: str, value: object) -> bool:
    """Tell whether a setting is of its kind: a name, a list of numbers, a number or None."""
    if key in ("architecture", "activation"):
        return isinstance(value, str)
    if key == "resample_filter":
        return isinstance(value, list | tuple) and all(_is_number(tap) for tap in value)
    return value is None or _is_number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < 2**31


def reconcile(config: GeneratorConfig, settings: Mapping[str, Any]) -> GeneratorConfig:
    """Hold the stated settings against what the tensors say, and take over what the tensors can't say."""
    facts = {key: getattr(config, key) for key in DIMENSIONS} | {
        "num_layers": config.num_mapping_layers,
        "layer_features": config.layer_features or config.w_dim,
        "embed_features": config.embed_features or config.w_dim,
    }
    for key, fact in facts.items():
        if settings.get(key, fact) != fact:
            raise InputError(f"contradicts itself: it says {key} {settings[key]!r}, its tensors say {fact!r}")
    _reconcile_channels(config, settings)
    if not _same_filter(settings.get("resample_filter", config.resample_filter), config.resample_filter):
        raise InputError(f"contradicts itself: its buffers are not the resample_filter {settings['resample_filter']!r}")
    return replace(config, **{key: settings[key] for key in TUNING if key in settings})


def _reconcile_channels(config: GeneratorConfig, settings: Mapping[str, Any]) -> None:
    if settings.keys() & {"channel_base", "channel_max"}:
        base, most = settings.get("channel_base", 32768), settings.get("channel_max", 512)
        if block_channels(config.img_resolution, base, most) != config.channels:
            raise InputError(
                f"contradicts itself: channel_base {base!r} and channel_max {most!r} "
                f"give other widths than its tensors: {list(config.channels)}"
            )


def _same_filter(taps: Sequence[float], others: Sequence[float]) -> bool:
    """Tell whether two filters are equal up to their scale."""
    return len(taps) == len(others) and all(
        isclose(tap * sum(others), other * sum(taps), rel_tol=1e-5) for tap, other in zip(taps, others, strict=True)
    )
