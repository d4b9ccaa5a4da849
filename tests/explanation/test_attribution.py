"""Every method points into what is known to count, and what it claims of itself is so."""

import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from latentedit.checkpoints import load_generator
from latentedit.errors import InputError
from latentedit.explanation import METHODS, Explained, attribute, list_layers, overlay, pixels
from latentedit.explanation.baselines import make_baseline, mean_face
from latentedit.explanation.checks import compare_maps, measure_faithfulness, shuffle_weights
from latentedit.explanation.layers import as_maps, choose_layers, find_frame, lay_over
from latentedit.explanation.places import grad_cam
from latentedit.latents import sample
from latentedit.predictors import PredictorScorer, make_predictor
from latentedit.rendering import render
from latentedit.vocabulary import BASELINES

PLANTED = (slice(8, 16), slice(16, 32))


def planted_share(maps):
    return (maps[:, PLANTED[0], PLANTED[1]].abs().sum() / maps.abs().sum()).item()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_points_into_the_planted_pixels(method, planted, pictures):
    found = attribute(planted, pictures, method, "black", layer="mix" if METHODS[method].needs_layer else None)
    assert planted_share(found.maps) > 0.95
    assert torch.allclose(found.scores, planted(pictures))


@pytest.mark.parametrize("method", [name for name, way in METHODS.items() if way.needs_layer])
def test_a_coarser_layer_lies_over_the_same_place(method, planted, pictures):
    (found,) = attribute(planted, pictures[:1], method, layer="shrink").maps
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    centre = [float((found * axis).sum() / found.sum()) for axis in (rows, columns)]
    assert centre == pytest.approx([11.5, 23.5], abs=0.7)


@pytest.mark.parametrize("baseline", BASELINES)
def test_integrated_gradients_add_up(baseline, planted, pictures):
    found = attribute(planted, pictures, baseline=baseline)
    assert found.completeness.max() < 0.005
    against = planted(make_baseline(baseline, pictures))
    assert torch.allclose(found.maps.sum(dim=(1, 2)), planted(pictures) - against, rtol=1e-3)


class Step(nn.Module):
    """A score that rises steeply at one brightness: images [N, 3, H, W] -> [N]."""

    name, range = "step", (0.0, 1.0)

    def forward(self, images):
        return (200 * (images.mean(dim=(1, 2, 3)) + 0.21)).sigmoid()


def test_a_steep_rise_is_found_by_halving_its_stretch(pictures, monkeypatch):
    assert attribute(Step(), pictures, baseline="black").completeness.max() < 0.005
    monkeypatch.setattr(pixels, "MOST_HALVINGS", 0)
    assert attribute(Step(), pictures, baseline="black").completeness.max() > 0.01  # told, not hidden


def test_maps_of_a_rough_scorer_add_up(omi):
    face = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) - 0.5
    assert attribute(omi, face, baseline="black").completeness.max() < 0.005


def test_a_chunk_does_not_change_the_maps(planted, pictures):
    whole, parts = (attribute(planted, pictures, "smooth_grad", chunk=size).maps for size in (3, 1))
    assert torch.allclose(whole, parts, rtol=0.2, atol=1e-3)


def test_explaining_leaves_the_scorer_alone(planted, pictures):
    before = {name: tensor.clone() for name, tensor in planted.state_dict().items()}
    shuffle_weights(Explained(planted))
    attribute(planted, pictures, "grad_cam", layer="mix")
    assert all(torch.equal(tensor, before[name]) for name, tensor in planted.state_dict().items())
    assert not planted.mix._forward_hooks
    assert planted.mix.weight.requires_grad


@pytest.mark.parametrize("method", ["integrated_gradients", "smooth_grad", "occlusion", "hires_cam"])
def test_shuffled_weights_destroy_the_map(method, patches, monkeypatch):
    monkeypatch.setattr(pixels, "MOST_HALVINGS", 0)
    faces = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) - 0.5
    maps = attribute(patches, faces, method, "black").maps
    shuffled = attribute(shuffle_weights(patches), faces, method, "black").maps
    assert abs(compare_maps(maps, shuffled)) < 0.35
    assert compare_maps(maps, maps) == pytest.approx(1)


def test_true_maps_beat_random_orders_and_false_ones_do_not(planted, pictures):
    baselines = make_baseline("black", pictures)
    maps = attribute(planted, pictures, baseline="black").maps
    found = measure_faithfulness(planted, pictures, baselines, {"true": maps, "false": -maps})
    assert found["true"].beats_random
    assert not found["false"].beats_random
    assert found["false"].deletion.high < 0
    assert found["false"].insertion.high < 0


def test_methods_beat_random_orders_on_faces(patches):
    generator = load_generator()
    faces = render(generator, sample(generator, range(6_000_000, 6_000_006), 0.7))
    maps = {method: attribute(patches, faces, method).maps for method in ("hires_cam", "occlusion")}
    found = measure_faithfulness(patches, faces, make_baseline("blurred", faces), maps)
    assert all(verdict.beats_random for verdict in found.values())


class Convolutions(nn.Module):
    name, range = "convolutions", (0.0, 1.0)

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(6, 4, 3, padding=1))
        self.head = nn.Linear(4, 1)

    def forward(self, images):
        return self.head(self.body(images).relu().mean(dim=(2, 3)))[:, 0]


@pytest.mark.parametrize("layer", ["body.0", "body.2"])
def test_grad_cam_is_captums_on_convolutions(layer, pictures):
    network = Convolutions().eval()
    theirs = LayerGradCam(network, network.get_submodule(layer)).attribute(pictures, relu_attributions=True)
    ours = grad_cam(Explained(network), pictures, [layer])
    assert torch.allclose(ours, theirs[:, 0].detach(), atol=1e-7)


def test_tokens_are_laid_out_in_rows_without_the_class_token():
    patches = torch.arange(18.0).view(1, 9, 2)
    for tokens in (patches, torch.cat([torch.full((1, 1, 2), -1.0), patches], dim=1)):
        assert as_maps(tokens)[0, 0].tolist() == [[0, 2, 4], [6, 8, 10], [12, 14, 16]]
    assert as_maps(torch.zeros(1, 8, 2)) is None
    assert as_maps(torch.zeros(1, 2, 1, 1)) is None


@pytest.mark.parametrize("name", ["resnet50", "vitmem", "sigmoid_head"])
def test_networks_of_any_kind_are_explained(name):
    small = {"resnet50": {"width": 4}, "vitmem": {"width": 16, "depth": 2, "heads": 2}}
    torch.manual_seed(0)
    network = make_predictor(name, **small.get(name, {"width": 4, "input_size": 64})).eval()
    scorer = PredictorScorer(name, network)
    image = torch.rand(1, 3, 40, 40) - 0.5
    layers = list_layers(Explained(scorer), image[0])
    for layer in (None, next(iter(layers))):
        found = attribute(scorer, image, "hires_cam", layer=layer)
        assert found.maps.shape == (1, 40, 40)
        assert found.maps.abs().sum() > 0


def test_what_a_predictor_cuts_off_gets_nothing():
    scorer = PredictorScorer("vitmem", make_predictor("vitmem", width=16, depth=1, heads=2).eval())
    images = torch.rand(1, 3, 64, 64)
    top, left, height, width = find_frame(Explained(scorer), images)
    assert (top, left) == (3, 3)  # 16 of 256 px, less what the filter sees beyond
    assert height == width == 58
    maps = lay_over(torch.ones(1, 4, 4), (top, left, height, width), (64, 64))
    assert maps[0, :top].sum() == maps[0, :, -left:].sum() == 0
    assert maps.sum() == pytest.approx(16, rel=1e-5)


def test_a_bundled_assessor_has_its_blocks_for_layers(omi):
    face = torch.zeros(3, 32, 32)
    layers = list_layers(omi, face)
    assert layers["features.octave0_cell8"] == (120, 15, 15)
    assert layers["features.colour"] == (3, 32, 32)
    assert choose_layers(omi, face) == tuple(list(layers)[:4])
    plain = omi.scorer.assessor.features.features(face[None])
    through = omi.scorer.assessor.features(face[None])
    assert all(torch.equal(a, b) for a, b in zip(plain, through, strict=True))


@pytest.mark.parametrize("style", ["heat", "contour", "mask"])
def test_an_overlay_marks_what_counts(style):
    images, maps = torch.zeros(1, 3, 64, 64), torch.zeros(1, 64, 64)
    maps[:, 20:30, 20:30] = 1
    (picture,) = overlay(images, maps, style)
    assert picture.shape == (3, 256, 256)
    assert picture.abs().max() <= 1
    inside, outside = picture[:, 98:102, 98:102].mean(dim=(1, 2)), picture[:, 200:, 200:].mean(dim=(1, 2))
    if style == "heat":
        assert inside[0] - inside[2] > 0.5
    if style == "mask":
        assert (inside - outside).min() > 0.5
    if style == "contour":
        red = (picture[0] - picture[2]) > 0.5
        assert red.any()
        assert not red[150:].any()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "grad_kam"}, "'grad_kam': did you mean grad_cam"),
        ({"baseline": "white"}, "'white' is not known: choose one of black, blurred, mean"),
        ({"method": "grad_cam", "layer": "mixed"}, "'mixed' that answers maps: did you mean mix?"),
    ],
)
def test_a_wrong_word_is_repeated(settings, words, planted, pictures):
    with pytest.raises(InputError, match=words.replace("?", r"\?")):
        attribute(planted, pictures, **settings)


def test_a_scorer_without_layers_says_so(pictures):
    class Mean:
        name, range = "mean", (0.0, 1.0)

        def __call__(self, images):
            return images.mean(dim=(1, 2, 3))

    assert attribute(Mean(), pictures, baseline="black").completeness.max() < 0.01
    with pytest.raises(InputError, match="mean has no layer that answers maps"):
        attribute(Mean(), pictures, "grad_cam")


def test_the_mean_face_is_that_of_the_generator(tiny_generator):
    ws = tiny_generator.mapping.w_avg.expand(1, tiny_generator.config.num_ws, 16)
    assert torch.equal(mean_face(tiny_generator), render(tiny_generator, ws)[0])
