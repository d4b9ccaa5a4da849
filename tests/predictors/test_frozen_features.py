"""A head on CLIP or SigLIP, with tiny random networks in their places."""

import pytest
import torch
import torch.nn.functional as F

from latentedit.errors import InputError
from latentedit.predictors.frozen_features import FrozenFeatures

transformers = pytest.importorskip("transformers")
TINY = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}
CONFIGS = {
    "clip": {"model_type": "clip_vision_model", "projection_dim": 8, **TINY},
    "siglip": {"model_type": "siglip_vision_model", **TINY},
}


@pytest.fixture(params=CONFIGS)
def config(request):
    return CONFIGS[request.param]


def test_the_head_alone_is_trained(config):
    network = FrozenFeatures(config).train()
    assert {name.partition(".")[0] for name, weight in network.named_parameters() if weight.requires_grad} == {"head"}
    assert not network.features.training
    assert network.head[0].in_features == (
        8 if "clip_" in config["model_type"] and "sig" not in config["model_type"] else 16
    )


def test_the_head_reads_pooled_features_as_they_are_or_of_unit_length(config):
    torch.manual_seed(0)
    network = FrozenFeatures(config).eval()
    images = torch.rand(2, 3, 50, 50) * 2 - 1
    answer = network.features(pixel_values=network.normalise_pixels(images))
    features = answer.image_embeds if "projection_dim" in config else answer.pooler_output
    assert torch.allclose(network(network.preprocess(images)), network.head(features)[:, 0])
    network.normalise = True
    assert torch.allclose(network(network.preprocess(images)), network.head(F.normalize(features, dim=1))[:, 0])


def test_colours_are_those_of_each_network():
    grey = torch.zeros(1, 3, 32, 32)
    clip = FrozenFeatures(CONFIGS["clip"]).normalise_pixels(grey)[0, :, 0, 0]
    torch.testing.assert_close(clip, torch.tensor([0.0689, 0.1615, 0.3328]), rtol=0, atol=1e-3)
    assert FrozenFeatures(CONFIGS["siglip"]).normalise_pixels(grey).abs().max() == 0


@pytest.mark.parametrize("kind", ["CLIPVisionModelWithProjection", "SiglipVisionModel"])
def test_weights_come_from_a_folder_of_the_hubs_layout(kind, tmp_path):
    name = "siglip" if "Siglip" in kind else "clip"
    settings = getattr(transformers, "SiglipVisionConfig" if name == "siglip" else "CLIPVisionConfig")
    torch.manual_seed(0)
    trained = getattr(transformers, kind)(settings.from_dict(CONFIGS[name])).eval()
    trained.save_pretrained(tmp_path / name)
    network, described = FrozenFeatures.from_hub(str(tmp_path / name), hidden=(4,))
    again = FrozenFeatures(**described)
    assert again.head[0].in_features == network.head[0].in_features
    x = torch.rand(1, 3, 32, 32)
    pick = "image_embeds" if name == "clip" else "pooler_output"
    assert torch.equal(network.features(pixel_values=x)[pick], trained(pixel_values=x)[pick])


def test_other_kinds_are_refused(tmp_path):
    with pytest.raises(InputError, match=str(tmp_path)):
        FrozenFeatures(CONFIGS["clip"]).load_features(tmp_path)
    with pytest.raises(InputError, match="model_type 'dino' is not known: choose clip_vision_model or siglip"):
        FrozenFeatures({"model_type": "dino"})
