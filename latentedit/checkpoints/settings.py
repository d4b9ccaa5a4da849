"""What NVIDIA's pickles have in common, TensorFlow's and PyTorch's: networks within networks, and what they state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from latentedit.checkpoints.inference import TUNING
from latentedit.errors import InputError
from latentedit.networks import AnyConfig, StyleGAN3Config, band_channels, block_channels

Parts = dict[str, dict[str, Any]]  # path -> what the part of that path keeps
DIMENSIONS = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "use_noise")


def walk(
    network: object, separator: str, read: Callable[[str, object], tuple[dict[str, Any], Mapping[Any, object]]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path of every part and what it keeps, the network itself under "".

    `read` takes a path and a part, and returns what it keeps and the parts within it.
    """
    waiting, seen = [("", network)], set()
    while waiting:
        path, part = waiting.pop()
        if id(part) in seen:
            raise InputError(f"damaged: its part {path!r} is in the network twice")
        seen.add(id(part))
        kept, within = read(path, part)
        yield path, kept
        waiting += [(join(path, separator, name), child) for name, child in within.items() if child is not None]


def join(path: str, separator: str, name: object) -> str:
    """Name what is within a part: ("mapping", ".", "fc0") -> "mapping.fc0"."""
    if not isinstance(name, str):
        raise InputError(f"damaged: something in its part {path!r} has no name")
    return f"{path}{separator}{name}" if path else name


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
    }
    if config.num_mapping_layers > 1:  # a layer alone has the widths of z and w
        facts["layer_features"] = config.layer_features or config.w_dim
    if config.c_dim:
        facts["embed_features"] = config.embed_features or config.w_dim
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
