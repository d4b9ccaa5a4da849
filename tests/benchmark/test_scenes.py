import pytest
import torch

from latentedit.benchmark.scenes import RENDERERS, SCENES, Scene, count_flops, make_generator, make_yardstick
from latentedit.networks import GeneratorConfig, block_channels
from latentedit.vocabulary import SCENES as SCENE_NAMES


@pytest.mark.parametrize(("side", "channel_base", "gflop"), [(256, 16384, 29.8), (1024, 32768, 148.5)])
def test_work_of_the_ffhq_configurations(side, channel_base, gflop):
    config = GeneratorConfig(side, block_channels(side, channel_base, 512))
    assert count_flops(config) / 1e9 == pytest.approx(gflop, abs=0.05)


def test_work_of_a_configuration_counted_by_hand():
    conv1, torgb = 2 * 9 * 5 * 5 * 16, 2 * 5 * 3 * 16
    conv0, above = 2 * 9 * 5 * 7 * 16, 2 * 9 * 7 * 7 * 64 + 2 * 7 * 3 * 64
    assert count_flops(GeneratorConfig(8, (5, 7))) == conv1 + torgb + conv0 + above


def test_work_of_the_yardstick_is_that_of_its_shapes():
    convolve, flops = make_yardstick()
    n, channels, height, width = convolve().shape
    assert flops == 2 * 9 * channels * channels * n * height * width


def test_scenes_are_those_that_can_be_named():
    assert tuple(scene.name for scene in SCENES) == SCENE_NAMES


def test_every_path_renders_the_same_images(tiny_generator):
    ws = Scene("two", 16, num_faces=2).make_ws(tiny_generator)
    images = {name: render(tiny_generator, ws).clamp(-1, 1) for name, render in RENDERERS.items()}
    for name, rendered in images.items():
        assert torch.allclose(rendered, images["reference"], atol=0.05 if name == "bf16" else 1e-5), name


def test_a_sweep_moves_one_face_on_layers_8_and_up():
    generator = make_generator()
    ws = Scene("sweep", num_alphas=3).make_ws(generator)
    assert ws.shape == (1, 3, generator.config.num_ws, generator.config.w_dim)
    assert torch.equal(ws[:, 0, :8], ws[:, 2, :8])
    assert (ws[:, 0, 8:] != ws[:, 2, 8:]).all()
    assert torch.equal(ws[:, 1], Scene("face").make_ws(generator))
