"""Everything in the state of a projection comes back from its file."""

import torch

from latentedit.inversion.snapshots import Projection, load_snapshot, save_snapshot


def fresh(fill):
    """Make a state of two photographs and its optimiser, one step taken."""
    x, noise = torch.full((2, 1, 4), fill), {"b4.noise_const": torch.full((2, 1, 4, 4), fill)}
    state = Projection(x, noise, x + 1, torch.full([2], fill), [fill], [x + 2, x + 3])
    optimiser = torch.optim.Adam([tensor.requires_grad_() for tensor in state.unknowns])
    sum((tensor * (fill + 1)).sum() for tensor in state.unknowns).backward()
    optimiser.step()
    return state, optimiser


def test_a_state_comes_back_whole(tmp_path):
    saved, restored = fresh(3.0), fresh(7.0)
    save_snapshot(*saved, tmp_path / "state.safetensors")
    load_snapshot(*restored, tmp_path / "state.safetensors")
    for a, b in zip(saved[0].unknowns, restored[0].unknowns, strict=True):
        assert torch.equal(a, b)
    assert torch.equal(saved[0].best, restored[0].best)
    assert torch.equal(saved[0].best_losses, restored[0].best_losses)
    assert torch.equal(torch.stack(saved[0].frames), torch.stack(restored[0].frames))
    assert restored[0].losses == [3.0]
    moments = [optimiser.state_dict()["state"] for _, optimiser in (saved, restored)]
    assert all(torch.equal(moments[0][i][key], moments[1][i][key]) for i in moments[0] for key in moments[0][i])
