"""How far a reconstruction is from its image: every error grows with the distance, and so is what training lowers."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from latentedit.errors import InputError, about
from latentedit.predictors.perception import LPIPS, TAPS, StyleDistance
from latentedit.predictors.structure import ms_ssim, ssim
from latentedit.predictors.weights import fill, obtain_weights, read_weights

Error = Callable[[Tensor, Tensor], Tensor]  # images, reconstructions [N, 3, H, W] in [0, 1] -> [N]
TRUNKS = {
    "alex": "alexnet-imagenet",
    "squeeze": "squeezenet-imagenet",
    "vgg": "vgg16-imagenet",
    "vgg19": "vgg19-imagenet",
}


def mean_squared(images: Tensor, others: Tensor) -> Tensor:
    """Average (x - y)^2: [N, 3, H, W], [N, 3, H, W] -> [N]."""
    return (images - others).square().flatten(1).mean(dim=1)


def mean_absolute(images: Tensor, others: Tensor) -> Tensor:
    """Average |x - y|: [N, 3, H, W], [N, 3, H, W] -> [N]."""
    return (images - others).abs().flatten(1).mean(dim=1)


def structural(images: Tensor, others: Tensor) -> Tensor:
    """Compute 1 - SSIM: [N, 3, H, W], [N, 3, H, W] in [0, 1] -> [N]."""
    return 1 - ssim(images * 2 - 1, others * 2 - 1)


def multiscale_structural(images: Tensor, others: Tensor) -> Tensor:
    """Compute 1 - MS-SSIM: [N, 3, H, W], [N, 3, H, W] in [0, 1] -> [N]; below 176 px without the coarsest scales."""
    return 1 - ms_ssim(images * 2 - 1, others * 2 - 1)


def perceptual(network: nn.Module, images: Tensor, others: Tensor) -> Tensor:
    """Compare as a perceptual network does: images in [0, 1] -> [N], larger is farther."""
    distances: Tensor = network(images * 2 - 1, others * 2 - 1)
    return distances


ERRORS: dict[str, Callable[[], Error]] = {
    "mse": lambda: mean_squared,
    "mae": lambda: mean_absolute,
    "ssim": lambda: structural,
    "ms-ssim": lambda: multiscale_structural,
    "style": lambda: partial(perceptual, load_style_distance()),
    **{f"lpips-{trunk}": partial(lambda trunk: partial(perceptual, load_lpips(trunk)), trunk) for trunk in TAPS},
}


def load_error(name: str) -> Error:
    """Load one of ERRORS by name; style and lpips-* need weights, which are downloaded at their first use."""
    if name not in ERRORS:
        raise InputError(f"no reconstruction error is called {name!r}: choose from {', '.join(ERRORS)}")
    return ERRORS[name]()


def load_lpips(trunk: str) -> LPIPS:
    """Load LPIPS: what torchvision's network sees, and how the installed package `lpips` weighs it."""
    try:
        package = importlib.metadata.distribution("lpips")
    except importlib.metadata.PackageNotFoundError as error:
        raise InputError(f"lpips-{trunk} needs its weights: `pip install --no-deps lpips`") from error
    network = LPIPS(trunk)
    path = Path(str(package.locate_file(f"lpips/weights/v0.1/{trunk}.pth")))
    with about(path):
        fill(network, read_weights(path), lambda name: name.startswith("features"))
    _fill_trunk(network.features, trunk)
    return network.eval().requires_grad_(False)


def load_style_distance() -> StyleDistance:
    """Load the comparison of styles with torchvision's VGG19."""
    network = StyleDistance()
    _fill_trunk(network.features, "vgg19")
    return network.eval().requires_grad_(False)


def _fill_trunk(features: nn.Sequential, trunk: str) -> None:
    """Fill the layers that are compared from torchvision's published file."""
    path = obtain_weights(TRUNKS[trunk])
    with about(path):
        found = {name.removeprefix("features."): w for name, w in read_weights(path).items() if "features." in name}
        known = features.state_dict()
        fill(features, {name: weight for name, weight in found.items() if name in known})
