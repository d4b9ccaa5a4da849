"""Which generator is this? A name for its learned weights, the same in every file format."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor, nn

BUFFERS = ("w_avg", "noise_const", "resample_filter")


def fingerprint(generator: nn.Module | Mapping[str, Tensor]) -> str:
    """Hash the learned parameters: a generator or its state dict -> SHA-256 in hex.

    Buffers (w_avg, noise_const, resample_filter) are left out: some formats lack them. Each
    parameter counts as its NVIDIA name, its shape and its values in little-endian float32,
    in the order of the names.
    """
    state = generator.state_dict() if isinstance(generator, nn.Module) else generator
    digest = hashlib.sha256()
    for name in sorted(name for name in state if not name.endswith(BUFFERS)):
        digest.update(f"{name} {list(state[name].shape)}\n".encode())
        digest.update(state[name].detach().cpu().float().contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()
