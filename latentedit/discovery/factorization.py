"""Directions without scores and without faces: the weights of the affines in closed form."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.direction import Direction
from latentedit.discovery.components import check_count, leading_axes
from latentedit.discovery.coordinates import choose_coordinates
from latentedit.discovery.finding import assemble, sample_population
from latentedit.networks import Generator


def factorize(
    generator: Generator,
    num: int = 10,
    layers: tuple[int, ...] | None = None,
    class_index: int | None = None,
    quiet: bool = True,
) -> list[Direction]:
    """Find the directions n of W that move the styles of layers most, max |A n|: -> `comp0`, `comp1`, ...

    A stacks the affines that `layers` of ws feed, each row at unit length, without the toRGB layers;
    n are the eigenvectors of A^T A, the largest first. sigma is measured as in `discover`.
    Source: Shen and Zhou 2021, "Closed-form factorization of latent semantics in GANs".
    """
    check_count(num, generator.config.w_dim)
    coordinates = choose_coordinates(generator.config, "w", layers)
    affines = stack_affines(generator, coordinates.layers)
    values, vectors = leading_axes(affines.t() @ affines, num)
    facts = [{"method": "sefa", "eigenvalue": value} for value in values.tolist()]
    found = [assemble(generator, f"comp{i}", vectors[i], coordinates, facts[i]) for i in range(num)]
    population = sample_population(generator, "w", class_index)
    return [direction.calibrated(population) for direction in found]


def stack_affines(generator: Generator, layers: tuple[int, ...]) -> Tensor:
    """Stack the affines of convolutions that rows of ws feed, each row at unit length: -> [styles, w_dim]."""
    names = [layer.name for layer in generator.config.style_layers if layer.row in layers and "torgb" not in layer.name]
    weights = [generator.synthesis.get_submodule(f"{name}.affine").get_parameter("weight") for name in names]
    return F.normalize(torch.cat([weight.detach().cpu().double() for weight in weights]))
