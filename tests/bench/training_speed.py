"""What share of this machine a generator's training reaches: python tests/bench/training_speed.py

Counts the work of one round of 16 steps, the lazy regularisation among them, as the floating-point operations of its
convolutions and matrix products; its rate is held against that of torch's own 3 x 3 convolution, forward and backward
on as large a batch and in the same precision, run in turns.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from latentedit.benchmark.timing import describe_spread, time_in_turns
from latentedit.training.gan import DTYPES, Settings, Training
from latentedit.training.generator import small_config

CHANNELS, SIDE = 64, 64  # of the convolution that is the yardstick


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--precision", choices=sorted(DTYPES), default="bf16")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    settings = Settings(precision=args.precision, augment="ada", ada_start=0.05, anchor=4.0)
    train = make_round(args.resolution, settings)
    convolve = make_yardstick(settings.batch, DTYPES[args.precision])
    subjects = {"training": train, "convolution": convolve}
    work = {name: count_flops(run) for name, run in subjects.items()}
    rates = {}
    for name, seconds in time_in_turns(subjects, args.rounds).items():
        spread = describe_spread(seconds)
        rates[name], low, high = (work[name] / spread[q] / 1e9 for q in ("median", "q3", "q1"))
        print(f"{name}: {work[name] / 1e9:.0f} GFLOP, {rates[name]:.0f} ({low:.0f} to {high:.0f}) GFLOP/s")
    images = settings.batch * settings.r1_interval
    print(f"training: {images * rates['training'] * 1e9 / work['training']:.1f} images a second")
    print(f"training reaches {rates['training'] / rates['convolution']:.0%} of the convolution's rate")


def make_round(resolution: int, settings: Settings) -> Callable[[], None]:
    """Make what takes as many steps as pass between two regularisations."""
    training = Training(small_config(resolution), settings, torch.device("cpu"))
    images = torch.randint(0, 256, (64, 3, resolution, resolution), dtype=torch.uint8)

    def take_steps() -> None:
        for _ in range(settings.r1_interval):
            training.step(images)

    return take_steps


def make_yardstick(batch: int, dtype: torch.dtype) -> Callable[[], None]:
    """Make torch's own convolution, forward and backward, channels last, as often as lasts for a while."""
    random = partial(torch.randn, dtype=dtype)
    x = random(batch, CHANNELS, SIDE, SIDE).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = random(CHANNELS, CHANNELS, 3, 3).contiguous(memory_format=torch.channels_last).requires_grad_()
    slope = torch.ones_like(x)

    def convolve() -> None:
        for _ in range(10):
            images: Tensor = F.conv2d(x, weight, padding=1)
            torch.autograd.grad(images, (x, weight), slope)

    return convolve


class Work(TorchDispatchMode):
    """Adds up the floating-point operations of convolutions and matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        answer = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=answer)
        return answer


def count_flops(run: Callable[[], None]) -> int:
    """Count the floating-point operations of a call."""
    with Work() as work:
        run()
    return work.total


if __name__ == "__main__":
    main()
