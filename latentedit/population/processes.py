"""Processes that torchrun started, on one host or several: which of them this is, and what they agree on."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from latentedit.errors import InputError

TORCHRUN = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
LONGEST_WAIT = datetime.timedelta(days=7)  # of the first to finish for the last


@dataclass(frozen=True)
class Processes:
    """`count` processes, of which this is number `rank`."""

    rank: int = 0
    count: int = 1

    def agree(self, value: Any) -> Any:
        """Take the first process's value in all of them."""
        if self.count == 1:
            return value
        values = [value]
        with _hearing_of_deaths():
            dist.broadcast_object_list(values)
        return values[0]

    def wait(self) -> None:
        """Wait for all to come here."""
        if self.count > 1:
            with _hearing_of_deaths():
                dist.barrier()


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that torchrun started, or those of a process group that there is already.

    Nothing but the list of what is missing travels between them, so that gloo does on GPUs too.
    """
    if dist.is_available() and dist.is_initialized():
        yield Processes(dist.get_rank(), dist.get_world_size())
    elif not os.environ.keys() >= TORCHRUN:
        yield Processes()
    else:
        with _hearing_of_deaths():
            _init_process_group()
        try:
            yield Processes(dist.get_rank(), dist.get_world_size())
        finally:
            dist.destroy_process_group()


def _init_process_group() -> None:
    """Find the others through torchrun's store, which still holds where those of an attempt that failed were."""
    from torch._C._distributed_c10d import PrefixStore  # a torch built without torch.distributed lacks both
    from torch.distributed.rendezvous import rendezvous

    store, rank, count = next(rendezvous("env://", timeout=LONGEST_WAIT))
    fresh = PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    dist.init_process_group("gloo", store=fresh, rank=rank, world_size=count, timeout=LONGEST_WAIT)


@contextmanager
def _hearing_of_deaths() -> Iterator[None]:
    """Say in one line that another process is gone."""
    try:
        yield
    except RuntimeError as error:
        raise InputError("another process has stopped: run it again, what is finished stays") from error


def take_gpu(device: str) -> None:
    """Make `auto` and `cuda` mean a GPU of this process's own, as far as the host has enough."""
    if "LOCAL_RANK" in os.environ and device in ("auto", "cuda") and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
