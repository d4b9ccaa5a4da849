"""What methods learn on."""

import pytest


@pytest.fixture
def linear_generator(tiny_generator, monkeypatch):
    """A generator whose image is the mean row of ws."""
    monkeypatch.setattr(tiny_generator.synthesis, "forward", lambda ws: ws.mean(dim=1)[:, None, None])
    return tiny_generator
