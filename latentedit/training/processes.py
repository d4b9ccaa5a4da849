"""Training in several processes, as torchrun starts them: each takes its share of every batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import nn

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this is; alone, it is the first of one."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this one validates, writes and prints."""
        return self.rank == 0

    def share(self, rows: list[int]) -> list[int]:
        """Take this process's rows of a batch."""
        return rows[self.rank :: self.count]

    def wrap(self, network: nn.Module) -> nn.Module:
        """Let the gradients of all processes be averaged; layers that take no part in a score have none."""
        if self.count == 1:
            return network
        return nn.parallel.DistributedDataParallel(network, find_unused_parameters=True)

    def tell(self, find: Callable[[], T]) -> T:
        """Let the first process find something, and give it to all."""
        if self.count == 1:
            return find()
        from torch import distributed

        told = [find() if self.leads else None]
        distributed.broadcast_object_list(told)
        return cast(T, told[0])


@contextmanager
def join_processes() -> Iterator[Processes]:
    """Join the processes that torchrun started, by nccl on GPUs and gloo on CPUs, until the end."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    from torch import distributed

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Processes(distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()
