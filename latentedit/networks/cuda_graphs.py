"""Replay a fixed sequence of GPU kernels by one call: what a CPU cannot queue fast enough for small images."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

Compute = Callable[[Tensor], Tensor]
Capture = Callable[[Callable[[], Tensor], torch.device], Callable[[], Tensor]]


def capture_cuda_graph(compute: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
    """Record the kernels that `compute` queues: -> a function that queues them again and returns the same tensor.

    Nothing in `compute` may wait for the GPU or draw random numbers. The tensors it closes over stay
    where they are: what is copied into them before a replay is what the replay computes with.
    """
    with torch.cuda.device(device):
        return _capture(compute)


def _capture(compute: Callable[[], Tensor]) -> Callable[[], Tensor]:
    present, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(present)
    with torch.cuda.stream(side):
        compute()  # libraries choose their algorithms and workspaces at the first call, which is not to be recorded
    present.wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may go on using the GPU
        output = compute()

    def replay() -> Tensor:
        graph.replay()
        return output

    return replay


@dataclass
class _Kind:
    """Calls of one kind: how many there were, whether to record the next, and what replays them once one was."""

    num_calls: int = 0
    can_capture: bool = True
    replay: Compute | None = None


class GraphCache:
    """Compute a function of one tensor; a kind of call that comes back `patience` times replays its graph.

    A graph holds the memory of everything it computes: the `size` kinds used last are kept. Where a
    capture fails, a warning says why and that kind goes on without.
    """

    def __init__(self, capture: Capture = capture_cuda_graph, patience: int = 2, size: int = 4) -> None:
        self.capture, self.patience, self.size = capture, patience, size
        self._lock = threading.Lock()
        self._kinds: OrderedDict[Hashable, _Kind] = OrderedDict()

    def __call__(self, compute: Compute, x: Tensor, kind: Hashable = None) -> Tensor:
        """Compute at x; calls of equal `kind`, and shape, dtype and device of x, must queue equal kernels."""
        with self._lock:  # a graph has one place for its input and one for its output
            found = self._find((kind, x.shape, x.dtype, x.device))
            if found.num_calls > self.patience and found.can_capture:
                found.replay, found.can_capture = self._capture(compute, x), False
            return (found.replay or compute)(x)

    def clear(self) -> None:
        """Forget all graphs: the weights have changed, or their memory is needed."""
        with self._lock:
            self._kinds.clear()

    def _find(self, key: Hashable) -> _Kind:
        found = self._kinds.setdefault(key, _Kind())
        found.num_calls += 1
        self._kinds.move_to_end(key)
        while len(self._kinds) > self.size:
            self._kinds.popitem(last=False)
        return found

    def _capture(self, compute: Compute, x: Tensor) -> Compute | None:
        with torch.inference_mode(False):  # else it could be written to in that mode only
            static = torch.empty_like(x).copy_(x)
        try:
            replay = self.capture(lambda: compute(static), x.device)
        except RuntimeError as error:
            warnings.warn(f"rendering without a CUDA graph: {str(error).splitlines()[0]}", RuntimeWarning, stacklevel=4)
            return None

        def call(x: Tensor) -> Tensor:
            static.copy_(x)
            return replay().clone()  # the next replay overwrites it

        return call


def stamp(tensors: Iterable[Tensor]) -> tuple[tuple[int, int], ...]:
    """Tell whether any of the tensors was moved or written to since: equal as long as none was.

    Writes through `.data` and to inference tensors leave no trace.
    """
    return tuple((tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version) for tensor in tensors)
