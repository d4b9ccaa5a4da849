"""The fused end of a styled layer: its kernel, compiled for the CPU, against its reference and the operators apart."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stylegan_ops import bias_act, build, setup_filter, style_epilogue, style_epilogue_reference, upfirdn2d
from stylegan_ops.style_epilogue import style_epilogue_compiled

laws = settings(derandomize=True, deadline=None, max_examples=60)
TOLERANCES = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).bfloat16().double()


def vectors(n: int, c: int, h: int, w: int, shared: bool = True) -> dict[str, Tensor]:
    """Draw all but the image, in float32."""
    noise = draw(h, w, seed=3) if shared else draw(n, 1, h, w, seed=3)
    values = {"scale": draw(n, c, seed=1), "b": draw(c, seed=2), "noise": noise, "next_styles": draw(n, c, seed=4)}
    return {name: value.float() for name, value in values.items()}


def shift(x: Tensor, offset: int) -> Tensor:
    """Lay values `offset` elements behind the start of their memory."""
    return torch.cat([x.new_zeros(offset), x.flatten()])[offset:].view(x.shape)


def assert_close(actual: Tensor | None, expected: Tensor | None, tolerance: float) -> None:
    assert actual is not None
    assert expected is not None
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(actual.double(), expected.double(), rtol=tolerance, atol=tolerance * scale)


@laws
@given(
    size=st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 3, 4, 8, 12]), st.integers(3, 19), st.integers(3, 19)),
    layout=st.sampled_from(LAYOUTS),
    dtype=st.sampled_from(list(TOLERANCES)),
    filtered=st.booleans(),
    shared=st.booleans(),
    clamp=st.sampled_from([None, 0.9]),
)
def test_it_equals_its_reference(
    host_ops: Any,
    size: tuple[int, int, int, int],
    layout: torch.memory_format,
    dtype: torch.dtype,
    filtered: bool,
    shared: bool,
    clamp: float | None,
) -> None:
    n, c, h, w = size
    x = draw(*size).to(dtype, memory_format=layout)
    margin = 1 if filtered else 0
    options: dict[str, Any] = {"f": setup_filter() * 4, "padding": (1, 1, 1, 1)} if filtered else {}
    options |= vectors(n, c, h - margin, w - margin, shared) | {"clamp": clamp}
    y, z = style_epilogue_compiled(host_ops, x, **options)
    expected_y, expected_z = style_epilogue_reference(x.double(), **options)
    assert y is not None
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=layout)
    assert_close(y, expected_y, TOLERANCES[dtype])
    assert_close(z, expected_z, TOLERANCES[dtype])


def test_it_is_the_operators_one_after_the_other() -> None:
    x, f = draw(2, 3, 9, 9), setup_filter() * 4
    given = vectors(2, 3, 8, 8)
    y, z = style_epilogue_reference(x, **given, f=f, padding=(1, 1, 1, 1), clamp=2.0)
    filtered = upfirdn2d(x, f, padding=(1, 1, 1, 1)) * given["scale"][:, :, None, None] + given["noise"]
    expected = bias_act(filtered, given["b"], "lrelu", clamp=2.0)
    assert_close(y, expected, 1e-12)
    assert_close(z, expected * given["next_styles"][:, :, None, None], 1e-12)


@pytest.mark.parametrize(("image", "vector"), [(0, 0), (1, 0), (2, 0), (0, 1), (0, 2), (4, 4)])
def test_any_alignment(host_ops: Any, image: int, vector: int) -> None:
    """Images and vectors that begin off the grid of vectors are taken one element at a time."""
    given = vectors(2, 8, 5, 6)
    x = shift(draw(2, 5, 6, 8).half(), image).permute(0, 3, 1, 2)
    shifted = {name: shift(value, vector) for name, value in given.items()}
    y, _ = style_epilogue_compiled(host_ops, x, **shifted)
    expected, _ = style_epilogue_reference(x.double(), **given)
    assert_close(y, expected, TOLERANCES[torch.float16])


def test_only_what_is_asked_for(host_ops: Any) -> None:
    x, given = draw(1, 4, 3, 3), vectors(1, 4, 3, 3)
    both = style_epilogue_compiled(host_ops, x, **given)
    for keep, next_styles in [(True, None), (False, given["next_styles"])]:
        options = given | {"next_styles": next_styles}
        for y, z in [
            style_epilogue_compiled(host_ops, x, **options, keep=keep),
            style_epilogue_reference(x, **options, keep=keep),
        ]:
            assert (y is None) == (not keep)
            assert (z is None) == (next_styles is None)
            assert_close(y if keep else z, both[0] if keep else both[1], 1e-12)


def test_no_noise_and_any_strides(host_ops: Any) -> None:
    x = draw(2, 6, 9, 18)[:, ::2, :, ::3].transpose(2, 3)
    given = vectors(2, 3, 6, 9) | {"noise": None, "next_styles": None}
    y, _ = style_epilogue_compiled(host_ops, x, **given)
    assert_close(y, style_epilogue_reference(x, **given)[0], 1e-12)


def test_nan_stays_nan(host_ops: Any) -> None:
    x = torch.full([1, 4, 2, 2], torch.nan)
    y, _ = style_epilogue_compiled(host_ops, x, **vectors(1, 4, 2, 2), clamp=1.0)
    assert y is not None
    assert y.isnan().all()


def test_what_does_not_fit_is_refused(host_ops: Any) -> None:
    x, given = draw(1, 4, 3, 3), vectors(1, 4, 3, 3)
    for name, wrong in [("scale", torch.ones(4)), ("b", given["b"].double()), ("noise", torch.ones(2, 2))]:
        with pytest.raises(RuntimeError, match="expected dense float32 values"):
            style_epilogue_compiled(host_ops, x, **given | {name: wrong})
    with pytest.raises(RuntimeError, match="only 4x4 filters"):
        style_epilogue_compiled(host_ops, x, **given, f=torch.ones(3, 3), padding=(1, 1, 1, 1))
    with pytest.raises(RuntimeError, match="ask for y"):
        style_epilogue_compiled(host_ops, x, given["scale"], given["b"], keep=False)


class ClaimsToBeOnTheGpu(Tensor):
    is_cuda = True


def test_gradients_take_the_reference(host_ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "load_cuda_ops", lambda: host_ops)
    x, given = draw(1, 4, 3, 3).as_subclass(ClaimsToBeOnTheGpu), vectors(1, 4, 3, 3)
    y, _ = style_epilogue(x, **given)
    assert type(y) is Tensor  # of the kernel, which knows no subclass
    y, _ = style_epilogue(x.requires_grad_(), **given)
    assert y is not None
    assert y.requires_grad
    with torch.no_grad():
        y, _ = style_epilogue(x, **given)
    assert type(y) is Tensor
