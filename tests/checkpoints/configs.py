"""Generators of every shape: configs for hypothesis, and random weights for them."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st

from latentedit.networks import Generator, GeneratorConfig

WIDTHS = st.integers(1, 6)


@st.composite
def configs(draw: st.DrawFn, **fixed: Any) -> GeneratorConfig:
    """Draw a small config of any kind; `fixed` settings stay as they are."""
    resolution = draw(st.sampled_from([4, 8, 16]))
    w_dim, num_mapping_layers, c_dim = (
        draw(WIDTHS),
        draw(st.integers(1, 9)),
        fixed.get("c_dim", draw(st.integers(0, 3))),
    )
    settings = {
        "img_resolution": resolution,
        "channels": tuple(draw(WIDTHS) for _ in range(resolution.bit_length() - 2)),
        "z_dim": draw(WIDTHS),
        "c_dim": c_dim,
        "w_dim": w_dim,
        "img_channels": draw(st.sampled_from([1, 3, 4])),
        "num_mapping_layers": num_mapping_layers,
        "embed_features": draw(st.none() | WIDTHS.filter(lambda x: x != w_dim)) if c_dim else None,
        "layer_features": draw(st.none() | WIDTHS.filter(lambda x: x != w_dim)) if num_mapping_layers > 1 else None,
        "conv_clamp": draw(st.sampled_from([None, 256.0])),
        "num_fp16_res": draw(st.sampled_from([0, 4])),
        "w_avg_beta": draw(st.sampled_from([0.998, 0.995])),
        "use_noise": draw(st.booleans()),
    }
    return GeneratorConfig(**{**settings, **fixed})


def make_generator(config: GeneratorConfig) -> Generator:
    """Make random weights; biases of styles are multiples of 2^-10, so that adding 1 and taking it off is exact."""
    torch.manual_seed(len(config.channels) + config.w_dim)
    generator = Generator(config).requires_grad_(False)
    for name, tensor in generator.state_dict().items():
        tensor.normal_()
        if name.endswith("affine.bias"):
            tensor.copy_((tensor * 1024).round() / 1024)
    return generator


def tensors(generator: Generator) -> dict[str, torch.Tensor]:
    """All parameters and buffers, the filters too."""
    return {**dict(generator.named_parameters()), **dict(generator.named_buffers())}


def assert_same(found: Generator, expected: Generator) -> None:
    """Check that two generators are equal to the bit."""
    assert tensors(found).keys() == tensors(expected).keys()
    for name, tensor in tensors(expected).items():
        assert torch.equal(tensors(found)[name], tensor), name
