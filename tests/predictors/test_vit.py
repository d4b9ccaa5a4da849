"""Vision transformers against torch's own layers, and ViTMem's and Visual Memory AI's heads."""

import pytest
import torch
from torch import nn

from latentedit.errors import InputError
from latentedit.predictors import make_predictor, sigmoid_head, vit
from latentedit.predictors.resnet import ResNet
from latentedit.predictors.sigmoid_head import SigmoidHead
from latentedit.predictors.vit import SHAPES, Block, Shape, VisionTransformer, ViTMem, load_vitmem, rename_torchvision

# Documented for torchvision's vit_b_16, vit_b_32 and vit_l_16 (docs.pytorch.org/vision, "num_params").
NUM_PARAMETERS = {"vit-b-16": 86_567_656, "vit-b-32": 88_224_232, "vit-l-16": 304_326_632}


def count(module):
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize("name", NUM_PARAMETERS)
def test_a_transformer_has_as_many_weights_as_its_original(name):
    with torch.device("meta"):
        assert count(VisionTransformer(SHAPES[name])) == NUM_PARAMETERS[name]


def test_vitmem_is_timms_transformer_with_one_output():
    """`vit_base_patch16_224_miil`: ViT-B/16 whose queries, keys and values have no bias."""
    with torch.device("meta"):
        network = ViTMem()
    assert count(network) == NUM_PARAMETERS["vit-b-16"] - 12 * 3 * 768 - 999 * (768 + 1)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes["vit.cls_token"] == (1, 1, 768)
    assert shapes["vit.pos_embed"] == (1, 197, 768)
    assert shapes["vit.patch_embed.proj.weight"] == (768, 3, 16, 16)
    assert shapes["vit.blocks.11.attn.qkv.weight"] == (2304, 768)
    assert "vit.blocks.0.attn.qkv.bias" not in shapes
    assert shapes["vit.blocks.0.mlp.fc1.weight"] == (3072, 768)
    assert shapes["vit.head.weight"] == (1, 768)


def test_a_block_is_torchs_encoder_layer():
    torch.manual_seed(0)
    block = Block(16, 4, has_bias=True).eval()
    layer = nn.TransformerEncoderLayer(
        16, 4, 64, dropout=0, activation="gelu", batch_first=True, norm_first=True, layer_norm_eps=1e-6
    ).eval()
    names = {
        "norm1": "norm1",
        "norm2": "norm2",
        "self_attn.in_proj_": "attn.qkv.",
        "self_attn.out_proj": "attn.proj",
        "linear1": "mlp.fc1",
        "linear2": "mlp.fc2",
    }
    state = layer.state_dict()
    for theirs, own in names.items():
        for kind in ("weight", "bias"):
            key = theirs + kind if theirs.endswith("_") else f"{theirs}.{kind}"
            state[key] = block.state_dict()[(own + kind) if own.endswith(".") else f"{own}.{kind}"]
    layer.load_state_dict(state)
    x = torch.randn(2, 5, 16)
    torch.testing.assert_close(block(x), layer(x), rtol=1e-5, atol=1e-5)


@pytest.fixture
def small():
    torch.manual_seed(0)
    network = VisionTransformer(Shape(16, 8, 1, 2, 32), num_classes=3).eval()
    nn.init.normal_(network.cls_token)
    return network


def test_patches_stand_in_rows_behind_the_class_token(small):
    seen = []
    small.blocks[0].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    images = torch.rand(1, 3, 32, 32)
    small(images)
    tokens = seen[0] - small.pos_embed
    torch.testing.assert_close(tokens[:, 0], small.cls_token[0])
    weight, bias = small.patch_embed["proj"].weight, small.patch_embed["proj"].bias
    corner = (images[0, :, :16, 16:] * weight).sum(dim=(1, 2, 3)) + bias  # the second patch of the first row
    torch.testing.assert_close(tokens[0, 2], corner)


def test_torchvisions_names_are_translated(small):
    pairs = {
        "class_token": "cls_token",
        "conv_proj.weight": "patch_embed.proj.weight",
        "conv_proj.bias": "patch_embed.proj.bias",
        "encoder.pos_embedding": "pos_embed",
        "encoder.ln.weight": "norm.weight",
        "encoder.ln.bias": "norm.bias",
        "heads.head.weight": "head.weight",
        "heads.head.bias": "head.bias",
    }
    block = "encoder.layers.encoder_layer_0."
    for theirs, own in {
        "ln_1": "norm1",
        "ln_2": "norm2",
        "mlp.0": "mlp.fc1",
        "mlp.3": "mlp.fc2",
        "self_attention.out_proj": "attn.proj",
    }.items():
        pairs |= {f"{block}{theirs}.{kind}": f"blocks.0.{own}.{kind}" for kind in ("weight", "bias")}
    pairs |= {f"{block}self_attention.in_proj_{kind}": f"blocks.0.attn.qkv.{kind}" for kind in ("weight", "bias")}
    state = small.state_dict()
    assert set(pairs.values()) == set(state)
    renamed = rename_torchvision({theirs: state[own] for theirs, own in pairs.items()})
    assert all(torch.equal(renamed[name], tensor) for name, tensor in state.items())
    assert "blocks.0.mlp.fc2.bias" in rename_torchvision({f"{block}mlp.linear_2.bias": state["head.bias"]})


def test_vitmem_is_loaded_from_its_published_file(monkeypatch, tmp_path):
    monkeypatch.setattr(ViTMem.__init__, "__defaults__", (16, 1, 2))
    torch.manual_seed(0)
    original = ViTMem().eval()
    torch.save(original.state_dict(), tmp_path / "vitmem.pth")
    monkeypatch.setattr(vit, "obtain_weights", lambda name: tmp_path / f"{name}.pth")
    images = torch.rand(2, 3, 300, 200) * 2 - 1
    x = original.preprocess(images)
    assert x.shape == (2, 3, 224, 224)
    assert 0 <= x.min() < x.max() <= 1
    loaded = load_vitmem()
    assert torch.equal(loaded(x), original(x))
    assert torch.equal(original(x), original.vit(x)[:, 0].sigmoid())


@pytest.mark.parametrize("backbone", ["resnet50", "vit-b-32"])
def test_the_head_reads_pooled_features_of_normalised_pixels(backbone):
    torch.manual_seed(0)
    network = make_predictor("sigmoid_head", backbone=backbone, width=2, input_size=64).eval()
    grey = network.preprocess(torch.zeros(1, 3, 80, 50))
    torch.testing.assert_close(grey[0, :, 0, 0], torch.tensor([0.0655, 0.1964, 0.4178]), rtol=0, atol=1e-3)
    assert network.regressor[0].out_features == 512
    assert [type(layer).__name__ for layer in network.regressor] == [
        *["Linear", "ReLU", "Dropout"] * 2,
        "Linear",
        "Sigmoid",
    ]
    expected = network.regressor(network.backbone.pooled_features(grey))[:, 0]
    assert torch.equal(network(grey), expected)
    with pytest.raises(InputError, match="backbone 'vgg' is not known: choose one of resnet50"):
        SigmoidHead("vgg")


def test_a_backbone_starts_from_imagenet(monkeypatch, tmp_path):
    torch.manual_seed(0)
    torch.save(ResNet(50, width=2).state_dict(), tmp_path / "resnet50-imagenet")
    monkeypatch.setattr(sigmoid_head, "obtain_weights", lambda name: tmp_path / name)
    network = SigmoidHead("resnet50", width=2)
    network.start_from_imagenet()
    torch.manual_seed(0)
    assert torch.equal(network.backbone.layer4[2].conv3.weight, ResNet(50, width=2).layer4[2].conv3.weight)
    with pytest.raises(InputError, match="backbone resnet101: no published weights are known"):
        SigmoidHead("resnet101", width=2).start_from_imagenet()
