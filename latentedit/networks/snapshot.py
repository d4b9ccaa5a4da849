"""Whether a network's weights are still those that something was made from."""

from __future__ import annotations

from torch import Tensor, nn


class Snapshot:
    """A network's tensors as they stand: `matches` is true until one is written to in place, moved or replaced.

    What is written through `.data` goes unseen. Inference tensors tell nothing, and so never match.
    """

    def __init__(self, network: nn.Module) -> None:
        self.tensors = list_tensors(network)  # kept, so that no other tensor comes to lie where one lay
        self.state = [_read(tensor) for tensor in self.tensors]

    def matches(self, network: nn.Module) -> bool:
        """Tell whether the network has the same tensors, unchanged."""
        now = list_tensors(network)
        same = len(now) == len(self.tensors) and all(a is b for a, b in zip(now, self.tensors, strict=True))
        return same and self.state == [_read(tensor) for tensor in now]


def list_tensors(network: nn.Module) -> list[Tensor]:
    """List a network's parameters, then its buffers."""
    return [*network.parameters(), *network.buffers()]


def _read(tensor: Tensor) -> tuple[int, object]:
    return tensor.data_ptr(), object() if tensor.is_inference() else tensor._version
