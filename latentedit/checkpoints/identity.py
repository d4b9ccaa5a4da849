"""Which generator is this? A name for its learned weights, the same in every file format."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor, nn

BUFFERS = ("w_avg", "noise_const", "resample_filter", "up_filter", "down_filter", "transform")


def fingerprint(generator: nn.Module | Mapping[str, Tensor]) -> str:
    """Hash the learned parameters: a generator or its state dict -> SHA-256 in hex.

    Left out are what some formats lack (w_avg, noise_const), what follows from the config (the
    filters) and the pose that the user sets (transform); the frequencies, phases and magnitudes of
    StyleGAN3 count. Each tensor counts as its NVIDIA name, its shape and its values in
    little-endian float32, in the order of the names.
    """
    state = generator.state_dict() if isinstance(generator, nn.Module) else generator
    digest = hashlib.sha256()
    for name in sorted(name for name in state if not name.endswith(BUFFERS)):
        digest.update(f"{name} {list(state[name].shape)}\n".encode())
        digest.update(state[name].detach().cpu().float().contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()
