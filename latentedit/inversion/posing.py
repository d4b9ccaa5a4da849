"""StyleGAN3 on photographs as they are turned: its input takes the pose that StyleGAN2 needs an aligned crop for.

Source: Alaluf et al. 2022, "Third time's the charm?", section 5.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.inversion.alignment import Alignment
from latentedit.inversion.portraits import Portrait
from latentedit.networks import Generator, StyleGAN3Config
from latentedit.networks.stylegan3 import SynthesisInput


def set_upright(portrait: Portrait) -> tuple[Portrait, Tensor]:
    """Cut the same face out without turning the photograph: -> the portrait, and the transform [3, 3] that turns it."""
    frame, side = portrait.alignment, portrait.alignment.side
    centre = frame.to_photograph(torch.tensor([0.5, 0.5])).tolist()
    origin = (centre[0] - side / 2, centre[1] - side / 2)
    upright = Alignment(origin, (side, 0.0), (0.0, side), frame.size)
    return replace(portrait, alignment=upright), relate(upright, frame)


def relate(shown: Alignment, frame: Alignment) -> Tensor:
    """Make the matrix from places in one crop to the same in another: -> [3, 3], places from -.5 to .5 (x, y, 1)."""
    corners = torch.tensor([[0.5, 0.5], [1.5, 0.5], [0.5, 1.5]])  # the centre, and a side off it along each axis
    centre, right, down = frame.to_crop(shown.to_photograph(corners)) - 0.5
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[:2] = torch.stack([right - centre, down - centre, centre], dim=1)
    return matrix


def pose(generator: Generator, transform: Tensor) -> Generator:
    """Make the generator whose images are moved as a transform [3, 3] says; the given one stays as it is.

    The transform takes places in the image to those in the image of the given generator, as NVIDIA's
    `input.transform` does. Raises InputError unless the generator is a StyleGAN3 and the transform finite.
    """
    if not isinstance(generator.config, StyleGAN3Config):
        raise InputError("only a StyleGAN3 turns its input: give such a --network, or leave --upright out")
    if transform.shape != (3, 3) or not transform.isfinite().all():
        raise InputError(f"a transform of shape {list(transform.shape)}, or not finite: 3 x 3 numbers are needed")
    posed = copy.deepcopy(generator)
    layer = posed.synthesis.get_submodule("input")
    assert isinstance(layer, SynthesisInput)
    layer.transform.copy_(transform)
    return posed


def read_pose(generator: Generator) -> Tensor | None:
    """Return the transform [3, 3] of a posed generator; None where it turns nothing."""
    if not isinstance(generator.config, StyleGAN3Config):
        return None
    transform = generator.synthesis.get_buffer("input.transform")
    return None if torch.equal(transform, torch.eye(3).to(transform)) else transform
