"""Write pickles as NVIDIA's torch_utils.persistence does, without a line of its code."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from torch import nn

Settings = Mapping[str, Mapping[str, Any]]  # dotted path -> attributes to set on that module


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None:
    raise AssertionError("a pickle's call was carried out")


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


class Reduced:
    """An object that pickles as a call."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


class EasyDict(dict[str, Any]):
    """What NVIDIA's pickles keep settings in."""


EasyDict.__module__ = "dnnlib.util"


class Persistent:
    """What NVIDIA's decorated classes pickle as: one call with the class's source and the object's state."""

    def __init__(self, state: dict[str, Any], class_name: str = "Generator", module_src: str = "raise SystemExit"):
        self.meta = {"type": "class", "version": 6, "module_src": module_src, "class_name": class_name, "state": state}

    def __reduce__(self) -> tuple[Any, ...]:
        return _reconstruct_persistent_obj, (self.meta,)


def persist(module: nn.Module, settings: Settings, path: str = "") -> Persistent:
    """Turn a module and all below it into their persistent form."""
    state = {
        "_parameters": dict(module._parameters),
        "_buffers": dict(module._buffers),
        "_modules": {
            name: persist(child, settings, f"{path}.{name}".lstrip("."))
            for name, child in module._modules.items()
            if child is not None
        },
    }
    return Persistent(state | dict(settings.get(path, {})), type(module).__name__)


@contextmanager
def nvidia_modules() -> Iterator[None]:
    """Put the names of NVIDIA's modules in place."""
    names = ("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util")
    modules = {name: ModuleType(name) for name in names}
    modules["torch_utils.persistence"].__dict__["_reconstruct_persistent_obj"] = _reconstruct_persistent_obj
    modules["dnnlib.util"].__dict__["EasyDict"] = EasyDict
    with mock.patch.dict(sys.modules, modules), torch.no_grad():
        yield


def write_pickle(path: Path, content: object, protocol: int = 4) -> Path:
    """Pickle the content as NVIDIA's training does."""
    with nvidia_modules():
        path.write_bytes(pickle.dumps(content, protocol))
    return path


def write_archive(path: Path, content: object, zipped: bool = True) -> Path:
    """Save the content with torch.save, as PTI does."""
    with nvidia_modules():
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path
