"""What every entry of PREDICTORS promises, and every preset."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.errors import InputError
from latentedit.predictors import (
    PREDICTORS,
    Predictor,
    PredictorScorer,
    load_predictor,
    load_scorer,
    make_predictor,
    resmem,
    resnet,
    save_predictor,
)
from latentedit.predictors.presets import PRESETS, load_preset

SMALL = {"width": 2, "input_size": 64}
CLIP = {
    "model_type": "clip_vision_model",
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
    "projection_dim": 8,
}
SMALL_BERT = {"num_hidden_layers": 1, "intermediate_size": 8, "vocab_size": 30}
SETTINGS = {  # those of a small network, where they are not SMALL
    "resmem": {},
    "vitmem": {"width": 16, "depth": 1, "heads": 2},
    "frozen_features": {"config": CLIP},
    "face_text": {"mode": "image", "width": 2},
}


@pytest.fixture(params=sorted(PREDICTORS))
def name(request, monkeypatch) -> str:
    """Each name, with ResMem made small."""
    if request.param == "frozen_features":
        pytest.importorskip("transformers")
    monkeypatch.setitem(resnet.BLOCKS, 152, (1, 1, 1, 1))
    monkeypatch.setattr(resmem, "WIDTHS", (64, 64, 64, 64, 64, 64, 1))
    return request.param


@pytest.fixture
def settings(name) -> dict:
    return SETTINGS.get(name, SMALL)


@pytest.fixture
def network(name, settings) -> Predictor:
    """One whose batch normalisation has seen images: otherwise little passes an untrained one."""
    torch.manual_seed(0)
    network = make_predictor(name, **settings)
    for module in network.modules():
        module.train(isinstance(module, torch.nn.BatchNorm2d))
    with torch.no_grad():
        network(network.preprocess(torch.rand(4, 3, 72, 72) * 2 - 1))
    return network.eval()


@pytest.fixture
def images() -> Tensor:
    noise = torch.randn(3, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    return F.interpolate(0.5 * noise, size=(72, 72), mode="bicubic").clamp(-1, 1)


def test_scores_are_finite_one_an_image_and_alike_in_any_batch(network, images):
    scorer = PredictorScorer("x", network)
    scores = scorer(images)
    assert scores.shape == (3,)
    assert scores.std() > 0
    torch.testing.assert_close(scores, torch.stack([scorer(image) for image in images]), rtol=1e-4, atol=1e-5)
    assert torch.equal(scorer(images[None, :, None]), scores[None, :, None])
    with pytest.raises(InputError, match=r"give \[\.\.\., 3, H, W\]"):
        scorer(torch.zeros(2, 1, 64, 64))


def test_gradients_reach_the_images(network, images):
    images.requires_grad_()
    (gradient,) = torch.autograd.grad(PredictorScorer("x", network)(images).sum(), images)
    assert torch.isfinite(gradient).all()
    assert (gradient.flatten(1).norm(dim=1) > 0).all()


def test_a_step_of_training_changes_the_weights(network):
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    before = [weight.clone() for weight in trained]
    network.train()
    scores = network(network.preprocess(torch.rand(2, 3, 72, 72) * 2 - 1))
    (scores - 5).square().sum().backward()
    torch.optim.Adam(trained, lr=0.01).step()
    assert sum(not torch.equal(old, new) for old, new in zip(before, trained, strict=True)) > 0.3 * len(trained)


def test_what_is_saved_scores_the_same(network, name, settings, images, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_predictor(path, network, name, settings, {"data": "none"})
    loaded = load_scorer(str(path))
    assert torch.equal(loaded(images), PredictorScorer("x", network)(images))
    assert not any(weight.requires_grad for weight in loaded.network.parameters())
    assert loaded.range == network.range


def test_other_files_and_names_are_refused(tmp_path):
    with pytest.raises(InputError, match="no predictor is called 'resvg': did you mean resvgg"):
        make_predictor("resvg")
    with pytest.raises(InputError, match="no weights are published for 'resmen': did you mean resmem"):
        load_predictor("resmen")
    network = make_predictor("resnet50", **SMALL)
    save_predictor(tmp_path / "x.safetensors", network, "senet50", SMALL, {})
    with pytest.raises(InputError, match=r"x.safetensors: not a predictor that latentedit wrote"):
        load_predictor(tmp_path / "x.safetensors")


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_makes_its_predictor(preset):
    chosen = PRESETS[preset]
    if "text" in preset:
        pytest.importorskip("transformers")
        chosen = replace(chosen, settings={**chosen.settings, "text": SMALL_BERT})
    network = make_predictor(chosen.predictor, **{**SETTINGS.get(chosen.predictor, SMALL), **chosen.settings})
    assert isinstance(network, Predictor)


def test_presets_are_those_of_the_scripts():
    """Facts of jasoncala/face-memorability, fine_tuning/: dropout, mirroring, plateau."""
    facts = {
        name: (p.settings["dropout"], p.flip, p.plateau_factor)
        for name, p in PRESETS.items()
        if "drop" in name or "hf" in name or "train" in name
    }
    assert facts["sen_hf_drop"] == facts["vgg_hf_drop"] == facts["res_hf_drop"] == (0.5, True, 0.5)
    assert facts["vgg_hf"] == facts["res_train_hf"] == (0.0, False, 0.5)
    trains = [PRESETS[name] for name in ("vggtrain", "restrain", "sentrain")]
    assert [(p.flip, p.plateau_factor) for p in trains] == [(False, 0.2), (True, 0.2), (True, 0.2)]
    assert {(p.loss, p.learning_rate, p.batch, p.epochs, p.plateau_patience) for p in trains} == {
        ("mae", 1e-4, 64, 50, 3)
    }


def test_as_published_is_a_setting_of_the_network():
    assert "as_published" not in load_preset("vgg_hf").settings
    assert load_preset("vgg_hf", as_published=True).settings["as_published"]
    assert any("fc8" in mistake for mistake in load_preset("vgg_hf").published_mistakes)
    assert not any("fc8" in mistake for mistake in load_preset("sentrain").published_mistakes)
    with pytest.raises(InputError, match="no preset is called 'vgg_hff': did you mean vgg_hf"):
        load_preset("vgg_hff")
