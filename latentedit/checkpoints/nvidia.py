"""NVIDIA's PyTorch pickles (stylegan2-ada-pytorch, stylegan3), read without running the code they carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from math import isclose
from typing import Any

from torch import Tensor

from latentedit.checkpoints.checkpoint import Checkpoint, build_generator
from latentedit.checkpoints.inert import Call
from latentedit.checkpoints.inference import TUNING, infer_config, infer_stylegan3_config, split_filters
from latentedit.checkpoints.unpickler import rebuild_number, rebuild_tensor
from latentedit.errors import InputError
from latentedit.networks import AnyConfig, Generator, StyleGAN3Config, band_channels, block_channels

Modules = Mapping[str, Mapping[str, Any]]  # dotted path -> the module's attributes
DIMENSIONS = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "use_noise")
SIZES = ("num_ws", "num_layers", "embed_features", "layer_features", "channel_base", "channel_max")
SETTINGS = {*DIMENSIONS, *SIZES, *TUNING["stylegan3"], "resample_filter", "architecture", "activation"}


def interpret(network: object, format: str, notes: tuple[str, ...] = ()) -> Checkpoint:
    """Read the generator that a pickle of NVIDIA's classes holds."""
    modules = dict(_walk(network))
    if "mapping" not in modules or not modules.keys() & {"synthesis.b4", "synthesis.input"}:
        raise InputError("no StyleGAN generator: it has no mapping, or neither synthesis.b4 nor synthesis.input")
    settings, tensors = _gather_settings(modules), dict(_tensors(modules))
    build = build_stylegan3 if "synthesis.input" in modules else _build_stylegan2
    return Checkpoint(build(settings, tensors), format, notes=notes)


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
        for key, value in _statements(path, attributes):
            require_supported(path, key, value)
            if key != "activation" and settings.setdefault(key, value) != value:
                raise InputError(f"contradicts itself: {key} is {settings[key]!r}, and {value!r} in {path!r}")
    return settings


def _statements(path: str, attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield a module's settings: from its attributes and its keyword arguments, flat or nested in *_kwargs."""
    arguments = _dictionary(attributes.get("_init_kwargs"))
    mapping, synthesis, block = [
        _dictionary(arguments.get(f"{name}_kwargs")) for name in ("mapping", "synthesis", "block")
    ]
    for source in (attributes, arguments, mapping, synthesis, block):
        # StyleGAN3 has a number of layers in the mapping and another, of the same name, in the synthesis.
        is_of_synthesis = path != "mapping" and source is not mapping
        for key in SETTINGS & source.keys():
            if source[key] is not None or key == "conv_clamp":
                name = "num_synthesis_layers" if key == "num_layers" and is_of_synthesis else key
                yield name, rebuild_number(source[key])


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


def reconcile(config: AnyConfig, settings: Mapping[str, Any]) -> AnyConfig:
    """Hold the stated settings against what the tensors say, and take over what the tensors can't say."""
    facts = {key: value for key, value in asdict(config).items() if key in DIMENSIONS} | {
        "num_ws": config.num_ws,
        "num_layers": config.num_mapping_layers,
        "layer_features": config.layer_features or config.w_dim,
        "embed_features": config.embed_features or config.w_dim,
    }
    if isinstance(config, StyleGAN3Config):
        facts["num_synthesis_layers"] = config.num_layers
    for key, fact in facts.items():
        if settings.get(key, fact) != fact:
            raise InputError(f"contradicts itself: it says {key} {settings[key]!r}, its tensors say {fact!r}")
    try:
        tuned = replace(config, **{key: settings[key] for key in TUNING[config.architecture] if key in settings})
    except (ValueError, TypeError, ArithmeticError) as error:
        raise InputError(f"its settings make no generator: {error}") from error
    _reconcile_channels(tuned, settings)
    return tuned


def _reconcile_channels(config: AnyConfig, settings: Mapping[str, Any]) -> None:
    if settings.keys() & {"channel_base", "channel_max"}:
        base, most = settings.get("channel_base", 32768), settings.get("channel_max", 512)
        if _widths(config, base, most) != config.channels:
            raise InputError(
                f"contradicts itself: channel_base {base!r} and channel_max {most!r} "
                f"give other widths than its tensors: {list(config.channels)}"
            )


def _widths(config: AnyConfig, base: int, most: int) -> tuple[int, ...]:
    if isinstance(config, StyleGAN3Config):
        return band_channels(config, base, most)
    return block_channels(config.img_resolution, base, most)


def _same_filter(taps: Sequence[float], others: Sequence[float]) -> bool:
    """Tell whether two filters are equal up to their scale."""
    return len(taps) == len(others) and all(
        isclose(tap * sum(others), other * sum(taps), rel_tol=1e-5) for tap, other in zip(taps, others, strict=True)
    )
