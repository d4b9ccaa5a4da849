"""Worlds small enough to reason about: a tiny generator, and a linear one whose true direction is known."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from host_kernels import host_ops as host_ops
from hypothesis import settings
from torch import Tensor

from latentedit.checkpoints import fingerprint
from latentedit.direction import Direction
from latentedit.networks import Generator, GeneratorConfig

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("repeatable")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
SETTINGS = (
    "LATENTEDIT_CACHE",
    "LATENTEDIT_OFFLINE",
    "LATENTEDIT_REGISTRY",
    "LATENTEDIT_YUNET",
    *PROXIES,
    *map(str.upper, PROXIES),
)


def pytest_configure() -> None:
    """Take one thread where the tests run in one process a core: more would only wait for each other."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's own library, cache and network settings out of the tests."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("LATENTEDIT_HOME", str(folder))
    return folder


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Let the process take no more than half a GiB of address space beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**29, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of other people's files beside the checkout; without it the test is skipped."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.exists():
        pytest.skip(f"{folder} is absent: it holds other people's files, which the project does not copy")
    return folder


@pytest.fixture(scope="session")
def tiny_generator() -> Generator:
    """A 16 px generator of random weights, w_dim 16, 6 layers."""
    return make_generator(GeneratorConfig(16, (8, 8, 8), z_dim=12, w_dim=16, num_mapping_layers=2))


@pytest.fixture(scope="session")
def scorable_generator() -> Generator:
    """A 32 px generator of random weights, w_dim 16, 8 layers: large enough for a scorer."""
    return make_generator(GeneratorConfig(32, (8, 8, 8, 4), z_dim=12, w_dim=16, num_mapping_layers=2))


def make_generator(config: GeneratorConfig) -> Generator:
    """Make a generator of random weights whose biases, noise and mean face are not zero."""
    torch.manual_seed(0)
    generator = Generator(config)
    for name, tensor in generator.named_parameters():
        if name.endswith(("noise_strength", "bias")):
            torch.nn.init.normal_(tensor, mean=float(name.endswith("affine.bias")), std=0.1)
    generator.mapping.w_avg.normal_()
    return generator.eval().requires_grad_(False)


@pytest.fixture
def tiny_direction(tiny_generator: Generator) -> Direction:
    """A W direction of the tiny generator."""
    row = torch.randn(1, 16, generator=torch.Generator().manual_seed(5)).double()
    vector = (row / row.norm()).repeat(6, 1)
    return Direction("up", vector, tuple(range(6)), sigma=0.5, generator=fingerprint(tiny_generator))


@dataclass(frozen=True)
class LinearWorld:
    """Latents whose score is <w, truth> plus a little noise."""

    ws: Tensor
    scores: Tensor
    truth: Tensor


@pytest.fixture(scope="session")
def linear_world(tiny_generator: Generator) -> LinearWorld:
    """Latents of the tiny generator's shape with scores along a known direction."""
    random = torch.Generator().manual_seed(1)
    w = torch.randn(3000, 16, generator=random)
    truth = torch.randn(16, generator=random)
    scores = w @ truth + 0.1 * torch.randn(3000, generator=random)
    return LinearWorld(w[:, None].repeat(1, 6, 1), scores, truth / truth.norm())
