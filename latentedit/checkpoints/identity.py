"""Which generator is this? A name for its learned weights, the same in every file format."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from latentedit.networks.snapshot import Snapshot

BUFFERS = ("w_avg", "noise_const", "resample_filter", "up_filter", "down_filter", "transform")


_known: WeakKeyDictionary[nn.Module, tuple[Snapshot, str]] = WeakKeyDictionary()


def fingerprint(generator: nn.Module | Mapping[str, Tensor]) -> str:
    """Hash the learned parameters: a generator or its state dict -> SHA-256 in hex.

    Left out are what some formats lack (w_avg, noise_const), what follows from the config (the
    filters) and the pose that the user sets (transform); the frequencies, phases and magnitudes of
    StyleGAN3 count. Each tensor counts as its NVIDIA name, its shape and its values in
    little-endian float32, in the order of the names. A generator is hashed once, and again after
    its weights have changed; only what is written through `.data` goes unseen.
    """
    if not isinstance(generator, nn.Module):
        return _hash(generator)
    known = _known.get(generator)
    if known is None or not known[0].matches(generator):
        known = _known[generator] = (Snapshot(generator), _hash(generator.state_dict()))
    return known[1]


def _hash(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(name for name in state if not name.endswith(BUFFERS)):
        digest.update(f"{name} {list(state[name].shape)}\n".encode())
        digest.update(state[name].detach().cpu().float().flatten().numpy().astype("<f4", copy=False).data)
    return digest.hexdigest()
