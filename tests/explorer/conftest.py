from collections.abc import Iterator

import pytest
from explorer_client import Client, serving

from latentedit.checkpoints import load_checkpoint
from latentedit.explorer import PageServer, Workshop
from latentedit.inversion import ProjectionSettings


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The bundled generator with its directions, and none of the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENTEDIT_HOME", str(tmp_path_factory.mktemp("home")))
        return Workshop(load_checkpoint("faces"))


@pytest.fixture
def server(workshop: Workshop) -> Iterator[PageServer]:
    """A server whose photographs take two steps."""
    with serving(workshop, settings=ProjectionSettings(num_steps=2, candidates=4)) as server:
        yield server


@pytest.fixture
def client(server: PageServer) -> Client:
    """A visitor."""
    return Client(server)
