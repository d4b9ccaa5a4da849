import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from latentedit.checkpoints import load_generator_file
from latentedit.errors import InputError
from latentedit.networks import GeneratorConfig
from latentedit.networks.discriminator import Conv2dLayer, Discriminator, append_group_deviation
from latentedit.training.augmentation import augment, cut_out, shift
from latentedit.training.gan import Settings, Training, mix_styles
from latentedit.training.generator import export_generator, small_config, train_generator
from stylegan_ops import bias_act, setup_filter, upfirdn2d

CONFIG = GeneratorConfig(8, (8, 8), z_dim=8, w_dim=8, num_mapping_layers=1)
SETTINGS = Settings(batch=4, r1_interval=2, precision="fp32")


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for i in range(6):
        Image.effect_noise((12, 10), 10 * i + 20).convert("RGB").save(folder / f"{i}.png")
    return folder


def weights(path):
    state = torch.load(path, weights_only=True)
    return torch.cat(
        [tensor.flatten() for part in ("generator", "average", "discriminator") for tensor in state[part].values()]
    )


def test_a_killed_training_ends_in_the_same_weights(data, tmp_path):
    whole = train_generator([data], tmp_path / "whole", 24, CONFIG, SETTINGS, snapshot_images=8, quiet=True)
    train_generator([data], tmp_path / "cut", 8, CONFIG, SETTINGS, snapshot_images=8, quiet=True)
    cut = train_generator([data], tmp_path / "cut", 24, CONFIG, SETTINGS, snapshot_images=8, quiet=True)
    assert torch.equal(weights(whole), weights(cut))
    assert len((tmp_path / "cut" / "log.jsonl").read_text().splitlines()) == 3


def test_a_training_learns_and_leaves_the_random_state_alone(data, tmp_path):
    before = torch.get_rng_state()
    first = weights(train_generator([data], tmp_path / "a", 4, CONFIG, SETTINGS, quiet=True))
    last = weights(train_generator([data], tmp_path / "b", 16, CONFIG, SETTINGS, quiet=True))
    assert not torch.equal(first, last)
    assert torch.isfinite(last).all()
    assert torch.equal(before, torch.get_rng_state())


def test_other_settings_do_not_go_on_from_a_state(data, tmp_path):
    train_generator([data], tmp_path / "run", 4, CONFIG, SETTINGS, quiet=True)
    with pytest.raises(InputError, match="other settings"):
        train_generator([data], tmp_path / "run", 8, CONFIG, Settings(batch=2, precision="fp32"), quiet=True)


def test_a_training_goes_on_at_another_learning_rate(data, tmp_path):
    settled = replace(SETTINGS, learning_rate=0.0)
    first = train_generator([data], tmp_path / "run", 8, CONFIG, SETTINGS, quiet=True)
    live = torch.load(first, weights_only=True)["generator"]
    last = train_generator([data], tmp_path / "run", 16, CONFIG, settled, quiet=True)
    for name, tensor in torch.load(last, weights_only=True)["generator"].items():
        assert torch.equal(tensor, live[name]) or name.endswith("w_avg")


@pytest.mark.parametrize("augment", ["ada", "none"])
def test_a_training_goes_on_with_another_augmentation(augment, data, tmp_path):
    train_generator([data], tmp_path / "run", 8, CONFIG, SETTINGS, quiet=True)
    other = replace(SETTINGS, augment=augment, ada_start=0.5, ada_images=1000)
    state = torch.load(train_generator([data], tmp_path / "run", 24, CONFIG, other, quiet=True), weights_only=True)
    assert ("strength" in state) == (augment == "ada")
    if augment == "ada":
        assert abs(state["strength"]["p"] - 0.5) == pytest.approx(16 / 1000)


@pytest.mark.parametrize(
    "change",
    [{"augment": "ada", "ada_images": 100}, {"path_weight": 2.0, "path_interval": 2}, {"anchor": 2.0}],
)
def test_a_killed_training_keeps_its_regularisers(change, data, tmp_path):
    settings = replace(SETTINGS, **change)
    whole = train_generator([data], tmp_path / "whole", 56, CONFIG, settings, snapshot_images=28, quiet=True)
    train_generator([data], tmp_path / "cut", 28, CONFIG, settings, snapshot_images=28, quiet=True)
    cut = train_generator([data], tmp_path / "cut", 56, CONFIG, settings, snapshot_images=28, quiet=True)
    assert torch.equal(weights(whole), weights(cut))
    first, last = (torch.load(path, weights_only=True) for path in (whole, cut))
    assert first.get("strength") == last.get("strength")
    assert torch.equal(first["path_length"], last["path_length"])
    plain = train_generator([data], tmp_path / "plain", 56, CONFIG, SETTINGS, quiet=True)
    assert not torch.equal(weights(whole), weights(plain))


def test_the_first_states_still_go_on(data, tmp_path):
    path = train_generator([data], tmp_path / "run", 8, CONFIG, SETTINGS, quiet=True)
    state = torch.load(path, weights_only=True)
    record = json.loads(state["record"])
    for name in [name for name in record["settings"] if name.startswith(("augment", "ada", "path", "anchor"))]:
        del record["settings"][name]
    del state["path_length"]
    for name in ("generator_optimiser", "discriminator_optimiser"):
        state[name]["param_groups"][0]["fused"] = None
    torch.save(state | {"record": json.dumps(record)}, path)
    state = torch.load(train_generator([data], tmp_path / "run", 12, CONFIG, SETTINGS, quiet=True), weights_only=True)
    assert state["num_images"] == 12
    assert state["generator_optimiser"]["param_groups"][0]["fused"]


def test_path_lengths_stay_near_their_mean():
    torch.manual_seed(0)
    config = replace(CONFIG, use_noise=False)
    training = Training(config, replace(SETTINGS, path_weight=2.0), torch.device("cpu"))
    penalties = [training._regularise_paths()["paths"] for _ in range(200)]
    assert min(penalties) >= 0
    assert sum(penalties[-30:]) < 0.2 * sum(penalties[:30])  # the other sign drives them apart a thousandfold
    assert training.path_length > 0


def test_the_exported_file_is_the_averaged_generator(data, tmp_path):
    state = train_generator([data], tmp_path / "run", 8, CONFIG, SETTINGS, quiet=True)
    fingerprint = export_generator(state, tmp_path / "g.safetensors", "noise", "CC0 1.0")
    checkpoint = load_generator_file(tmp_path / "g.safetensors")
    assert (checkpoint.fingerprint, checkpoint.config, checkpoint.licence) == (fingerprint, CONFIG, "CC0 1.0")
    average = torch.load(state, weights_only=True)["average"]
    for name, tensor in checkpoint.generator.state_dict().items():
        assert torch.equal(tensor, average[name].half().float())


def test_bf16_is_near_fp32():
    torch.manual_seed(0)
    training = Training(CONFIG, Settings(batch=4), torch.device("cpu"))
    ws = training.generator.map(torch.randn(4, 8))
    full, half = (training.generator.synthesis(ws, "none", dtype) for dtype in (torch.float32, torch.bfloat16))
    assert half.dtype == torch.float32
    assert (half - full).norm() / full.norm() < 0.02
    logits = [training.discriminator(full, dtype) for dtype in (torch.float32, torch.bfloat16)]
    assert torch.allclose(*logits, atol=0.05)


def test_the_discriminator_can_be_differentiated_twice():
    torch.manual_seed(0)
    discriminator = Discriminator(CONFIG)
    images = torch.randn(2, 3, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    gradient.square().sum().backward()
    for name, parameter in discriminator.named_parameters():
        if name.endswith("weight") and name != "b4.out.weight":
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("activation", "down", "k"), [("lrelu", 1, 3), ("lrelu", 2, 3), ("linear", 2, 1)])
def test_a_layer_scales_behind_its_activation(activation, down, k):
    torch.manual_seed(0)
    layer = Conv2dLayer(3, 5, k, activation, down)
    if layer.bias is not None:
        layer.bias.data.normal_()
    x = torch.randn(2, 3, 8, 8)
    padded = upfirdn2d(x, setup_filter(), padding=(2, 2, 2, 2)) if down == 2 else x
    edge = -1 if down == 2 and k == 1 else k // 2 if down == 1 else 0
    y = torch.nn.functional.conv2d(padded, layer.weight * layer.weight_gain, padding=max(edge, 0))
    y = y[:, :, 1::2, 1::2] if edge < 0 else y[:, :, ::down, ::down]
    assert torch.allclose(layer(x, gain=0.7), bias_act(y, layer.bias, act=activation) * 0.7, atol=1e-5)


def test_the_deviation_of_equal_images_is_zero():
    same = append_group_deviation(torch.ones(4, 2, 4, 4), 4)
    assert same.shape == (4, 3, 4, 4)
    assert same[:, 2].abs().max() < 1e-3
    assert append_group_deviation(torch.randn(6, 2, 4, 4), 4)[:, 2].min() > 0.1


def test_augmented_images_keep_their_shape_and_gradient():
    torch.manual_seed(0)
    images = torch.rand(3, 3, 16, 16, requires_grad=True)
    augmented = augment(images)
    assert augmented.shape == images.shape
    augmented.square().sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_a_shift_moves_whole_pixels_and_a_cut_blanks_a_square():
    torch.manual_seed(0)
    images = torch.rand(20, 1, 16, 16) + 1
    kept = (shift(images) != 0).float().mean(dim=[1, 2, 3])
    assert kept.min() >= (14 / 16) ** 2
    assert kept.unique().numel() > 3
    blank = (cut_out(images) == 0).float().mean(dim=[1, 2, 3])
    assert blank.max() == 0.25
    assert blank.min() >= 0.0625


def test_mixed_styles_keep_the_lower_rows():
    torch.manual_seed(0)
    w, other = torch.zeros(50, 3), torch.ones(50, 3)
    mixed = mix_styles(w, other, num_ws=6, probability=1.0)[..., 0]
    assert (mixed[:, 0] == 0).all()
    assert (mixed[:, -1] == 1).all()
    assert (mixed.diff(dim=1) >= 0).all()
    assert mix_styles(w, other, num_ws=6, probability=0.0).abs().max() == 0


def test_a_small_generator_is_narrow_where_pixels_are_many():
    assert small_config().channels == (256, 256, 128, 64, 32)
    assert small_config(16, 64, 12).channels == (12, 8, 4)
