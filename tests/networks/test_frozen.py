"""The path that renders on the CPU: the reference's values, the same bits, nothing stale, nothing for gradients."""

from __future__ import annotations

import copy
import ctypes
import threading
from typing import Any

import pytest
import torch
from torch import Tensor

from latentedit.networks import Generator, GeneratorConfig
from latentedit.networks.frozen import FrozenSynthesis, freeze
from stylegan_ops import build
from stylegan_ops.compiled_layers import CompiledConvolution
from stylegan_ops.plain_layers import PlainConvolution
from tests.conftest import make_generator

WIDTHS = (24, 32, 40, 16, 8, 8, 4, 4, 4)


def make(resolution: int = 32, **options: Any) -> Generator:
    """Make a small generator of random weights."""
    widths = WIDTHS[: resolution.bit_length() - 2]
    return make_generator(GeneratorConfig(resolution, widths, z_dim=12, w_dim=16, num_mapping_layers=2, **options))


def draw(generator: Generator, count: int, seed: int = 0) -> Tensor:
    """Draw W+ codes: -> [count, num_ws, w_dim]."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, generator.config.num_ws, generator.config.w_dim, generator=random)


def run(frozen: FrozenSynthesis, ws: Tensor, noise_mode: Any = "const") -> Tensor:
    """Render faces one after the other."""
    side = frozen.config.img_resolution
    images = torch.empty(len(ws), frozen.config.img_channels, side, side)
    for row, image in zip(ws, images, strict=True):
        frozen.render(row, noise_mode, image)
    return images


def relative_error(value: Tensor, expected: Tensor) -> float:
    return float((value.double() - expected.double()).norm() / expected.double().norm())


@pytest.fixture(params=["compiled", "plain"])
def ops(request: pytest.FixtureRequest) -> ctypes.CDLL | None:
    """Both paths, the compiled one where it can be had."""
    if request.param == "plain":
        return None
    ops = build.load_cpu_ops()
    if ops is None:
        pytest.skip("no C++ compiler on this machine")
    return ops


@pytest.mark.parametrize("resolution", [4, 32, 64, 128, 256, 512, 1024])
def test_every_size_is_the_reference(ops: ctypes.CDLL | None, resolution: int) -> None:
    generator = make(resolution)
    ws = draw(generator, 1)
    assert (
        relative_error(run(FrozenSynthesis(generator.synthesis, torch.float32, ops), ws), generator.synthesis(ws))
        < 1e-5
    )


@pytest.mark.parametrize(
    "options",
    [
        {"conv_clamp": 0.5},
        {"img_channels": 1},
        {"img_channels": 4},
        {"resample_filter": (1, 2, 4, 1)},
        {"use_noise": False},
        {"c_dim": 3},
    ],
)
@pytest.mark.parametrize("noise_mode", ["const", "none", "random"])
def test_every_option_is_the_reference(ops: ctypes.CDLL | None, options: dict[str, Any], noise_mode: Any) -> None:
    generator = make(**options)
    ws = generator.map(torch.randn(3, 12), torch.eye(3)) if "c_dim" in options else draw(generator, 3)
    torch.manual_seed(5)
    images = run(FrozenSynthesis(generator.synthesis, torch.float32, ops), ws, noise_mode)
    torch.manual_seed(5)
    expected = torch.cat([generator.synthesis(row[None], noise_mode) for row in ws])
    assert relative_error(images, expected) < 1e-5


def test_a_preview_is_near_the_reference(ops: ctypes.CDLL | None) -> None:
    generator = make(64)
    ws = draw(generator, 2)
    if ops and not hasattr(ops, "direct_bfloat16"):
        pytest.skip("this machine multiplies no bfloat16")
    images = run(FrozenSynthesis(generator.synthesis, torch.bfloat16, ops), ws)
    assert 1e-4 < relative_error(images, generator.synthesis(ws)) < 3e-2


def test_a_face_has_the_same_bits_in_any_batch_and_order(ops: ctypes.CDLL | None) -> None:
    generator = make()
    ws = draw(generator, 4)
    frozen = FrozenSynthesis(generator.synthesis, torch.float32, ops)
    images = run(frozen, ws)
    for order in ([3], [2, 1], [0, 0, 3, 1]):
        assert torch.equal(run(frozen, ws[order]), images[order])


@pytest.mark.parametrize(("first", "count"), [*enumerate([7, 6, 6, 4, 4, 2, 2, 0, 0])])
def test_rows_that_agree_are_not_made_again_and_the_bits_are_those_of_a_face_alone(
    ops: ctypes.CDLL | None, first: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = make()  # 8 rows
    start, other = draw(generator, 2)
    changed = torch.cat([start[:first], other[first:]])
    alone = run(FrozenSynthesis(generator.synthesis, torch.float32, ops), changed[None])
    frozen = FrozenSynthesis(generator.synthesis, torch.float32, ops)
    run(frozen, start[None])
    made: list[object] = []
    kind = CompiledConvolution if ops else PlainConvolution
    call = kind.__call__
    monkeypatch.setattr(kind, "__call__", lambda self, *given: (made.append(self), call(self, *given)))
    assert torch.equal(run(frozen, changed[None]), alone)
    assert len(made) == count


def test_random_noise_is_drawn_for_every_face(ops: ctypes.CDLL | None) -> None:
    generator = make()
    frozen = FrozenSynthesis(generator.synthesis, torch.float32, ops)
    first, second = run(frozen, draw(generator, 1).expand(2, -1, -1), "random")
    assert not torch.equal(first, second)
    still = run(frozen, draw(generator, 1))
    assert torch.equal(still, run(FrozenSynthesis(generator.synthesis, torch.float32, ops), draw(generator, 1)))


def test_latents_that_are_not_finite_make_no_finite_image(ops: ctypes.CDLL | None) -> None:
    generator = make(conv_clamp=1.0)
    frozen = FrozenSynthesis(generator.synthesis, torch.float32, ops)
    ws = draw(generator, 1)
    ws[0, 3, 0] = torch.nan
    for _ in range(2):
        assert run(frozen, ws).isnan().any()


def test_another_number_of_threads_makes_the_same_bits(ops: ctypes.CDLL | None) -> None:
    if ops is None:
        pytest.skip("torch's own convolutions promise nothing")
    generator = make()
    frozen = FrozenSynthesis(generator.synthesis, torch.float32, ops)
    before, images = torch.get_num_threads(), []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        images.append(run(frozen, draw(generator, 1)))
    torch.set_num_threads(before)
    assert torch.equal(*images)


def test_faces_made_at_the_same_time_do_not_mix() -> None:
    generator = make()
    frozen = freeze(generator.synthesis)
    assert frozen is not None
    ws = draw(generator, 8)
    expected, images = run(frozen, ws), torch.empty(8, 3, 32, 32)

    def work(i: int) -> None:
        for _ in range(5):
            frozen.render(ws[i], "const", images[i])

    threads = [threading.Thread(target=work, args=[i]) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(images, expected)


def change_in_place(generator: Generator) -> None:
    with torch.no_grad():
        generator.synthesis.get_submodule("b8.conv0").weight.mul_(-1)


def change_by_assignment(generator: Generator) -> None:
    layer = generator.synthesis.get_submodule("b8.conv0")
    layer.weight = torch.nn.Parameter(-layer.weight, requires_grad=False)


def change_by_loading(generator: Generator) -> None:
    generator.load_state_dict({name: 2 * value for name, value in generator.state_dict().items()})


@pytest.mark.parametrize("change", [change_in_place, change_by_assignment, change_by_loading])
def test_changed_weights_are_packed_again(change: Any) -> None:
    generator = make()
    ws = draw(generator, 1)
    old = freeze(generator.synthesis)
    assert old is not None
    assert freeze(generator.synthesis) is old
    before = run(old, ws)
    change(generator)
    new = freeze(generator.synthesis)
    assert new is not None
    assert relative_error(run(new, ws), generator.synthesis(ws)) < 1e-5
    assert relative_error(run(new, ws), before) > 1e-3


def test_only_what_renders_on_the_cpu_in_eval_mode_is_frozen() -> None:
    generator = make()
    assert freeze(generator.synthesis) is not None
    assert freeze(generator.train().synthesis) is None
    assert freeze(generator.eval().double().synthesis) is None
    assert freeze(make(resample_filter=(1, 2, 1)).synthesis) is None
    assert freeze(generator.mapping) is None


def test_gradients_take_the_reference_and_its_bits() -> None:
    generator = make()
    ws = draw(generator, 2).requires_grad_()
    gradients = []
    for _ in range(2):
        (gradient,) = torch.autograd.grad(generator.synthesis(ws).square().sum(), ws)
        gradients.append(gradient)
        frozen = freeze(generator.synthesis)
        assert frozen is not None
        assert not run(frozen, ws).requires_grad
    assert torch.equal(*gradients)


def test_a_copy_and_the_garbage_collector_see_no_frozen_network() -> None:
    generator = make()
    ws = draw(generator, 1)
    frozen = freeze(generator.synthesis)
    twin = copy.deepcopy(generator)
    change_in_place(twin)
    other = freeze(twin.synthesis)
    assert frozen is not None
    assert other is not None
    assert relative_error(run(other, ws), run(frozen, ws)) > 1e-3


def test_no_large_memory_is_taken_once_it_runs() -> None:
    ops = build.load_cpu_ops()
    if ops is None:
        pytest.skip("no C++ compiler on this machine")
    generator = make(256)
    frozen = FrozenSynthesis(generator.synthesis, torch.float32, ops)
    ws, image = draw(generator, 3), torch.empty(3, 256, 256)
    frozen.render(ws[0], "const", image)
    with torch.profiler.profile(profile_memory=True) as profile:
        frozen.render(ws[1], "const", image)
    taken = [event.nbytes() for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    assert 0 < max(taken) < 2**16 < frozen.blocks[-1].convolutions["b256.conv1"].run.tensors["y"].numel()


def test_where_nothing_can_be_compiled_plain_torch_renders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_cpu_ops", [])
    monkeypatch.setenv("LATENTEDIT_NO_COMPILER", "1")
    generator = make()
    frozen = freeze(generator.synthesis)
    assert frozen is not None
    assert type(frozen.layers).__name__ == "PlainLayers"
    ws = draw(generator, 2)
    assert relative_error(run(frozen, ws), generator.synthesis(ws)) < 1e-5


@pytest.mark.parametrize(("name", "count"), [("b4.conv1", 7), ("b16.conv1", 4), ("b32.torgb", 0)])
def test_styles_that_agree_are_not_made_again(
    ops: ctypes.CDLL | None, name: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = make()
    styles = generator.synthesis.make_styles(draw(generator, 1))
    changed = styles.clone()
    layer = next(layer for layer in generator.config.style_layers if layer.name == name)
    changed[:, layer.start] += 1
    frozen = FrozenSynthesis(generator.synthesis, torch.float32, ops)
    image, made = torch.empty(3, 32, 32), []
    frozen.render_styles(styles[0], "const", image)
    kind = CompiledConvolution if ops else PlainConvolution
    call = kind.__call__
    monkeypatch.setattr(kind, "__call__", lambda self, *given: (made.append(self), call(self, *given)))
    frozen.render_styles(changed[0], "const", image)
    assert relative_error(image, generator.synthesis.render_styles(changed)[0]) < 1e-5
    assert len(made) == count
