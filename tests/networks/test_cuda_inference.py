"""What renders on a GPU, run on the CPU: packed weights, half precision, graphs by a fake that records and replays."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from latentedit.networks import Generator, GeneratorConfig, StyleGAN3Config
from latentedit.networks import cuda_inference as inference
from latentedit.networks.cuda_graphs import GraphCache, stamp
from latentedit.networks.cuda_inference import PackedSynthesis, bound
from latentedit.networks.cuda_synthesis import CudaSynthesis, cuda_synthesis
from stylegan_ops.style_epilogue import style_epilogue_compiled

CPU = torch.device("cpu")


def make(**changes: Any) -> Generator:
    """Make a 32 px generator whose biases, noise and styles are not those of a fresh one."""
    torch.manual_seed(0)
    values = {"img_resolution": 32, "channels": (12, 8, 8, 4), "z_dim": 6, "w_dim": 8, "num_mapping_layers": 2}
    generator = Generator(GeneratorConfig(**(values | changes)))
    for name, parameter in generator.named_parameters():
        if name.endswith(("noise_strength", "bias")):
            torch.nn.init.normal_(parameter, mean=float(name.endswith("affine.bias")), std=0.3)
    return generator.eval().requires_grad_(False)


def make_styles(generator: Generator, num: int = 3) -> Tensor:
    return generator.synthesis.make_styles(torch.randn(num, generator.config.num_ws, 8))  # W+


def error(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).detach().norm() / expected.detach().norm())


@pytest.fixture(params=["plain torch", "kernels"])
def epilogue(request: pytest.FixtureRequest, host_ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finish the layers in plain torch, or with the kernels compiled for the CPU."""
    if request.param == "kernels":
        monkeypatch.setattr(inference, "style_epilogue", lambda *a, **k: style_epilogue_compiled(host_ops, *a, **k))


@pytest.mark.usefixtures("epilogue")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"conv_clamp": 0.8},
        {"resample_filter": (1, 2, 1)},
        {"resample_filter": (1, 4, 6, 4, 1)},
        {"use_noise": False, "img_channels": 1},
        {"img_resolution": 4, "channels": (5,)},
    ],
    ids=str,
)
@pytest.mark.parametrize("noise_mode", ["const", "none"])
def test_packed_weights_render_the_same(changes: dict[str, Any], noise_mode: Any) -> None:
    generator = make(**changes)
    for num in (1, 3):
        styles = make_styles(generator, num)
        expected = generator.synthesis.render_styles(styles, noise_mode)
        assert error(PackedSynthesis(generator.synthesis)(styles, noise_mode), expected) < 1e-5


@pytest.mark.usefixtures("epilogue")
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float16, 3e-3), (torch.bfloat16, 2e-2)], ids=str)
def test_half_precision_where_the_config_says_so(dtype: torch.dtype, allowed: float) -> None:
    generator = make(conv_clamp=256.0, num_fp16_res=2)
    packed, styles = PackedSynthesis(generator.synthesis, dtype), make_styles(generator)
    held = {name: layer.weight.dtype for name, layer in packed.layers.items()}
    assert {name for name, of in held.items() if of == dtype} == {"b16.conv0", "b16.conv1", "b32.conv0", "b32.conv1"}
    assert all(
        layer.weight.is_contiguous(memory_format=inference.layout(held[name])) for name, layer in packed.layers.items()
    )
    images, expected = packed(styles), generator.synthesis.render_styles(styles)
    assert images.dtype == torch.float32
    assert 1e-6 < error(images, expected) < allowed


@pytest.mark.usefixtures("epilogue")
def test_half_precision_does_not_overflow() -> None:
    """Enormous weights, styles and features leave every half-precision number in its range."""
    generator = make(conv_clamp=256.0, num_fp16_res=3)
    for name, parameter in generator.synthesis.named_parameters():
        if name.endswith("weight") and "affine" not in name:
            parameter.mul_(1e4)
    styles = make_styles(generator) * 1e4
    expected = generator.synthesis.render_styles(styles)
    assert torch.isfinite(expected).all()
    assert expected.abs().max() > 255  # the clamp is reached
    assert error(PackedSynthesis(generator.synthesis)(styles), expected) < 3e-2  # differences of clamped features
    assert not torch.isfinite(generator.synthesis.render_styles(styles, dtype=torch.float16)).all()


def test_bounded_weights_keep_what_they_make_in_range() -> None:
    weight = torch.randn(4, 6, 3, 3) * torch.tensor([1e-6, 1.0, 1e6, 0.0])[:, None, None, None]
    scaled, amplitude = bound(weight, 256.0)
    torch.testing.assert_close(scaled * amplitude, weight)
    worst = torch.nn.functional.conv2d(scaled.sign().sum(0, keepdim=True) * 0 + 256.0, scaled.abs())
    assert worst.max() <= 2**15 * 1.001
    assert worst[0, :3].min() > 2**15 * 0.999


def test_a_style_of_zeros_makes_no_nan() -> None:
    generator = make()
    styles = torch.zeros_like(make_styles(generator))
    expected = generator.synthesis.render_styles(styles)
    assert torch.isfinite(expected).all()
    torch.testing.assert_close(PackedSynthesis(generator.synthesis)(styles), expected)


@dataclass
class FakeGraphs:
    """Capture as CUDA does: the replay computes with what the captured tensors hold then, into the one output."""

    num_captures: int = 0
    num_replays: int = 0
    fails: bool = False
    outputs: list[Tensor] = field(default_factory=list)

    def __call__(self, compute: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
        if self.fails:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")
        self.num_captures += 1
        compute()
        with torch.inference_mode(False):  # a real replay writes past torch
            output = torch.full_like(compute(), torch.nan)
        self.outputs.append(output)

        def replay() -> Tensor:
            self.num_replays += 1
            return output.copy_(compute())

        return replay


def test_the_third_call_of_a_kind_is_captured() -> None:
    graphs = FakeGraphs()
    cache = GraphCache(graphs)
    xs = [torch.randn(2, 3) for _ in range(6)]
    results = [cache(torch.sin, x) for x in xs]  # each its own: no replay overwrites an earlier result
    assert all(torch.equal(result, x.sin()) for result, x in zip(results, xs, strict=True))
    assert (graphs.num_captures, graphs.num_replays) == (1, 4)


def test_every_kind_has_its_own_graph() -> None:
    graphs = FakeGraphs()
    cache = GraphCache(graphs, patience=0)
    calls = [(torch.sin, torch.ones(2), "a"), (torch.sin, torch.ones(3), "a"), (torch.cos, torch.ones(2), "b")]
    calls.append((torch.sin, torch.ones(2).double(), "a"))
    for _ in range(2):
        for compute, x, kind in calls:
            assert torch.equal(cache(compute, x, kind), compute(x))
    assert graphs.num_captures == 4


def test_only_the_kinds_used_last_are_kept() -> None:
    graphs = FakeGraphs()
    cache = GraphCache(graphs, patience=0, size=2)
    for length in [1, 2, 1, 3, 1, 2]:  # 3 pushes out 2, not 1
        cache(torch.sin, torch.ones(length))
    assert graphs.num_captures == 4


def test_a_failed_capture_warns_once_and_goes_on() -> None:
    cache, x = GraphCache(FakeGraphs(fails=True), patience=0), torch.ones(2)
    with pytest.warns(RuntimeWarning, match="without a CUDA graph: CUDA error: operation not permitted") as caught:
        assert torch.equal(cache(torch.sin, x), x.sin())
    assert "\n" not in str(caught[0].message)
    assert torch.equal(cache(torch.sin, x * 2), (x * 2).sin())  # a second warning would be an error here


def test_a_graph_made_in_inference_mode_serves_outside() -> None:
    cache, x = GraphCache(FakeGraphs(), patience=0), torch.ones(2)
    with torch.inference_mode():
        cache(torch.sin, torch.ones(2))
    assert torch.equal(cache(torch.sin, x), x.sin())


def test_stamp_sees_writes_and_moves() -> None:
    x = torch.ones(3)
    before = stamp([x])
    assert stamp([x]) == before
    x.add_(1)
    assert stamp([x]) != before
    assert stamp([x.clone()]) != stamp([x])
    with torch.inference_mode():
        y = torch.ones(3)
    stamp([y])


@pytest.mark.parametrize("noise_mode", ["const", "none"])
def test_graphs_render_what_the_network_renders(noise_mode: Any) -> None:
    generator, graphs = make(), FakeGraphs()
    render = CudaSynthesis(generator.synthesis, capture=graphs).render_styles
    for _ in range(4):
        styles = make_styles(generator)
        assert error(render(styles, noise_mode), generator.synthesis.render_styles(styles, noise_mode)) < 1e-5
    assert (graphs.num_captures, graphs.num_replays) == (1, 2)


def test_noise_modes_do_not_share_a_graph() -> None:
    generator, graphs = make(), FakeGraphs()
    render, styles = CudaSynthesis(generator.synthesis, capture=graphs).render_styles, make_styles(make())
    for _ in range(4):
        assert not torch.equal(render(styles, "const"), render(styles, "none"))
    assert graphs.num_captures == 2


def test_random_noise_is_drawn_anew_every_time() -> None:
    generator, graphs = make(), FakeGraphs()
    render, styles = CudaSynthesis(generator.synthesis, capture=graphs).render_styles, make_styles(make())
    images = [render(styles, "random") for _ in range(4)]
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise(images))
    assert graphs.num_captures == 0
    torch.manual_seed(3)
    first = render(styles, "random")
    torch.manual_seed(3)
    assert error(first, generator.synthesis.render_styles(styles, "random")) < 1e-5


@pytest.mark.parametrize("name", ["b8.conv1.weight", "b16.torgb.bias", "b8.conv0.noise_const"])
def test_changed_weights_are_followed(name: str) -> None:
    generator, graphs = make(), FakeGraphs()
    render, styles = CudaSynthesis(generator.synthesis, capture=graphs).render_styles, make_styles(make())
    for _ in range(3):
        before = render(styles)
    dict([*generator.synthesis.named_parameters(), *generator.synthesis.named_buffers()])[name].mul_(1.5)
    for _ in range(3):
        after = render(styles)
        assert error(after, generator.synthesis.render_styles(styles)) < 1e-5
    assert not torch.equal(before, after)
    assert graphs.num_captures == 2
    generator.synthesis.b8.conv1.bias = torch.nn.Parameter(generator.synthesis.b8.conv1.bias + 1)
    assert error(render(styles), generator.synthesis.render_styles(styles)) < 1e-5


def test_ws_are_rendered_as_the_network_does() -> None:
    generator = make()
    ws = torch.randn(2, generator.config.num_ws, 8)
    assert error(CudaSynthesis(generator.synthesis)(ws), generator.synthesis(ws)) < 1e-5


def test_stylegan3_is_rendered_as_it_is() -> None:
    torch.manual_seed(0)
    generator = Generator(StyleGAN3Config(16, (4, 4, 4), z_dim=6, w_dim=8)).eval()
    graphs = FakeGraphs()
    render = CudaSynthesis(generator.synthesis, capture=graphs).render_styles
    for _ in range(4):
        styles = make_styles(generator)
        torch.testing.assert_close(render(styles), generator.synthesis.render_styles(styles))
    assert graphs.num_captures == 1


def test_autocast_and_gradients_stay_out() -> None:
    generator = make().requires_grad_(True)
    render, styles = CudaSynthesis(generator.synthesis).render_styles, make_styles(generator).detach()
    with torch.autocast("cpu", torch.bfloat16):
        images = render(styles)
    assert not images.requires_grad
    assert error(images, generator.synthesis.render_styles(styles).detach()) < 1e-5


def test_one_way_a_network_which_does_not_keep_it_alive() -> None:
    generator = make()
    assert cuda_synthesis(generator.synthesis) is cuda_synthesis(generator.synthesis)
    cuda_synthesis(generator.synthesis).render_styles(make_styles(generator))
    without_graphs = CudaSynthesis(generator.synthesis, capture=FakeGraphs(fails=True))
    with pytest.warns(RuntimeWarning, match="without a CUDA graph"):
        [without_graphs.render_styles(make_styles(generator)) for _ in range(4)]
    gone = weakref.ref(generator.synthesis)
    del generator
    gc.collect()
    assert gone() is None
