"""Limited-memory BFGS (Nocedal 1980) of many small problems side by side, started from a known curvature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

MEMORY = 20  # steps that are remembered
LEAST_CURVATURE = 1e-6  # of a step, as a share of the most that it could have


class QuasiNewton(torch.optim.Optimizer):
    """Lower the loss of every row of x: [N, ...], whose losses [N] the closure of `step` returns.

    A row goes to where its curvature places the bottom, and turns back half of the way where that was
    higher. `precondition` is the inverse of the curvature to begin with, [N, P] -> same.
    """

    def __init__(self, x: Tensor, precondition: Callable[[Tensor], Tensor]) -> None:
        super().__init__([x], {})
        self.precondition = precondition

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Tensor:  # type: ignore[override]
        """Take losses and gradients where x is, and move it to where they shall be taken next; return the losses."""
        x: Tensor = self.param_groups[0]["params"][0]
        assert x.grad is not None
        losses: Tensor = closure()
        here = {"x": x.flatten(1).clone(), "gradient": x.grad.flatten(1).clone(), "losses": losses.clone()[:, None]}
        state = self.state[x]
        if state:
            _learn(state, here, self.precondition)
        else:
            state.update(here, **_know_nothing(here["x"]))
        x.copy_((state["x"] - state["length"] * self._solve(state)).view_as(x))
        return losses

    def _solve(self, state: dict[str, Tensor]) -> Tensor:
        """Multiply the gradients by the inverse of the curvature, as all remembered steps know it: -> [N, P]."""
        pairs = list(zip(state["steps"], state["changes"], strict=True))
        q, shares = state["gradient"], []
        for step, change in reversed(pairs):
            shares.append(_divide(_dot(step, q), _dot(step, change)))
            q = q - shares[-1] * change
        q = state["gain"] * self.precondition(q)
        for (step, change), share in zip(pairs, reversed(shares), strict=True):
            q = q + step * (share - _divide(_dot(change, q), _dot(step, change)))
        return q


def _know_nothing(x: Tensor) -> dict[str, Tensor]:
    """Make an empty memory: a step of zeros counts as none."""
    memory, ones = x.new_zeros(MEMORY, *x.shape), x.new_ones(len(x), 1)
    return {"steps": memory, "changes": memory, "length": ones, "gain": ones / 2}  # of squares the curvature is twice


def _learn(state: dict[str, Tensor], here: dict[str, Tensor], precondition: Callable[[Tensor], Tensor]) -> None:
    """Remember what the gradients did on the way here, and stay where the loss is lower."""
    step, change = here["x"] - state["x"], here["gradient"] - state["gradient"]
    is_bent = _dot(step, change) > LEAST_CURVATURE * step.norm(dim=1, keepdim=True) * change.norm(dim=1, keepdim=True)
    for name, new in (("steps", step), ("changes", change)):
        state[name] = torch.cat([state[name][1:], (new * is_bent)[None]])
    gain = _divide(_dot(step, change), _dot(change, precondition(change)))
    state["gain"] = torch.where(is_bent, gain, state["gain"])
    falls = here["losses"] < state["losses"]
    state["length"] = torch.where(falls, 1.0, state["length"] / 2)
    state.update({name: torch.where(falls, here[name], state[name]) for name in here})


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=1, keepdim=True)


def _divide(a: Tensor, b: Tensor) -> Tensor:
    """Divide, where 0 / 0 is 0."""
    return a / b.where(b != 0, 1.0)
