"""The device that a generator goes to."""

import pytest
import torch

from latentedit.checkpoints.zoo import choose_device
from latentedit.errors import InputError


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_is_the_fastest_device_at_hand(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto") == torch.device(chosen)
    for device, seen in (("cuda", cuda), ("mps", mps)):
        if seen:
            assert choose_device(device) == torch.device(device)
        else:
            with pytest.raises(InputError, match=f"'{device}'"):
                choose_device(device)
