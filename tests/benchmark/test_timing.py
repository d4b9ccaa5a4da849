import pytest

from latentedit.benchmark import timing
from latentedit.benchmark.timing import describe_spread, time_in_turns


@pytest.fixture
def clock(monkeypatch):
    """A clock that only `wait` moves on."""
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    return wait


def test_subjects_take_turns_after_a_warm_up(clock):
    order = []

    def subject(name, seconds):
        return lambda: (order.append(name), clock(seconds))

    seconds = time_in_turns({"a": subject("a", 1), "b": subject("b", 2), "c": subject("c", 3)}, 3)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab"
    assert seconds == {"a": [1, 1, 1], "b": [2, 2, 2], "c": [3, 3, 3]}


@pytest.mark.parametrize(("limit", "rounds"), [(0, 3), (45, 5), (1e9, 9)])
def test_no_round_begins_after_the_limit_save_the_first_three(clock, limit, rounds):
    assert len(time_in_turns({"a": lambda: clock(10)}, 9, limit)["a"]) == rounds


def test_a_spread_is_the_median_and_the_quartiles():
    assert describe_spread([5, 1, 4, 2, 3]) == {"median": 3, "q1": 2, "q3": 4, "rounds": 5}
    assert describe_spread([1, 2]) == {"median": 1.5, "q1": 1.25, "q3": 1.75, "rounds": 2}
