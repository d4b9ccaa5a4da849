"""Times of things that are compared: warmed up, in turns, with their spread."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

LEAST_ROUNDS = 3


def time_in_turns(
    subjects: Mapping[str, Callable[[], object]], rounds: int, limit: float = math.inf
) -> dict[str, list[float]]:
    """Run every subject once to warm up and once a round, each round beginning with the next one: -> seconds of each.

    What else happens on the machine then falls on all of them alike. No round begins after `limit`
    seconds, save the first three.
    """
    names = list(subjects)
    for run in subjects.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    begin = time.perf_counter()
    for i in range(rounds):
        if i >= LEAST_ROUNDS and time.perf_counter() - begin > limit:
            break
        for name in names[i % len(names) :] + names[: i % len(names)]:
            start = time.perf_counter()
            subjects[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def describe_spread(seconds: list[float]) -> dict[str, Any]:
    """Give the median and quartiles of two or more times, in seconds."""
    q1, median, q3 = statistics.quantiles(seconds, n=4, method="inclusive")
    return {"median": median, "q1": q1, "q3": q3, "rounds": len(seconds)}
