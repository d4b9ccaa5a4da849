"""Weights from other tools' files, read without running anything in them, and put into a network."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from latentedit.arrays import load_content, to_tensor
from latentedit.checkpoints.archive import require_plain
from latentedit.downloads import find_item, obtain, recorded_sha256
from latentedit.errors import InputError

HASH = re.compile(r"-([0-9a-f]{8})\.pth$")  # as torch.hub writes it
COUNTER = "num_batches_tracked"  # of batch normalisation, of no use after training


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a dictionary of tensors or arrays, alone or under `state_dict`; errors don't name the path."""
    content = load_content(path)
    content = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(content, dict):
        raise InputError("holds no dictionary of weights: give the file of this network")
    named = {str(name).removeprefix("module."): value for name, value in content.items()}
    return {name: _plain(name, value) for name, value in named.items() if not name.endswith(COUNTER)}


def obtain_weights(name: str) -> Path:
    """Return a published file, downloaded at its first use, whose name may end in the beginning of its SHA-256."""
    item = find_item(name, "predictor")
    if item is None:
        raise InputError(f"{name} is not in the list of published files: name it in LATENTEDIT_REGISTRY")
    path = obtain(item)
    named = HASH.search(item.file)
    if named and not (recorded_sha256(item) or "").startswith(named[1]):
        raise InputError(f"{path} is not the file that its name tells: delete it to fetch anew")
    return path


def fill(network: nn.Module, found: dict[str, Tensor], may_lack: Callable[[str], bool] = lambda name: False) -> None:
    """Copy weights of the same names and shapes; refuse foreign, misshapen and lacking ones.

    A network on the meta device gets its memory here.
    """
    known = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)}
    kind = type(network).__name__
    if foreign := found.keys() - known.keys():
        raise InputError(f"{min(foreign):.80} is no tensor of {kind}: give the file of this network")
    if wrong := [name for name, tensor in found.items() if tensor.shape != known[name].shape]:
        shapes = f"{list(found[wrong[0]].shape)}, not {list(known[wrong[0]].shape)}"
        raise InputError(f"{wrong[0]} has shape {shapes}: give the file of this network")
    if missing := [name for name in known.keys() - found.keys() if not may_lack(name)]:
        raise InputError(f"{min(missing)} is missing: the file is of another network or cut short")
    network.load_state_dict(found, strict=False, assign=next(network.parameters()).is_meta)


def _plain(name: str, value: object) -> Tensor:
    return require_plain(f"{name:.80}", value if isinstance(value, Tensor) else to_tensor(value)).float()
