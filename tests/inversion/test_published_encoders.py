"""Files of pSp, e4e and ReStyle: random weights under the published names make ws, and nothing else is taken."""

import argparse
import math

import pytest
import torch
import torch.nn.functional as F

import latentedit as le
from latentedit.errors import InputError
from latentedit.inversion import load_encoder
from latentedit.networks.style_encoder import KINDS, StyleEncoder, StyleEncoderConfig

SIZE_OF_E4E = 1_201_649_680  # bytes of e4e_ffhq_encode.pt
SYNTHESIS = 30_370_060 + 2 * sum(4**i for i in range(3, 11)) + 16  # its decoder's parameters and noise maps


@pytest.fixture
def faces(tiny_generator):
    return le.render(tiny_generator, le.sample(tiny_generator, [1, 2]))


def make(kind, in_channels=3, seed=0):
    """Make a small encoder with random weights and statistics, for ws of 6 x 16."""
    torch.manual_seed(seed)
    network = StyleEncoder(StyleEncoderConfig(kind, 6, in_channels, width=2)).eval()
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if "running_var" in name else torch.randn_like(tensor) * 0.3)
    return network


def save(path, network, kind, namespace=False, **more):
    """Write a file as their training does."""
    opts = {"encoder_type": kind, "start_from_latent_avg": True, **more.pop("opts", {})}
    state = {f"encoder.{name}": tensor for name, tensor in network.state_dict().items()}
    state["decoder.input.input"] = torch.zeros(1, 4, 4, 4)
    content = {"state_dict": state, "latent_avg": torch.arange(16.0), "opts": opts, **more}
    content["opts"] = argparse.Namespace(**opts) if namespace else content["opts"]
    torch.save(content, path)
    return path


def see(images):
    return F.interpolate(images, (256, 256), mode="bilinear", antialias=True)


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoders_ws_are_its_mean_and_what_it_sees(kind, tiny_generator, faces, tmp_path):
    network = make(kind)
    path = save(tmp_path / "e.pt", network, kind, namespace=kind == "Encoder4Editing")
    ws = load_encoder(path, tiny_generator)(faces)
    assert ws.shape == (2, 6, 16)
    assert torch.allclose(ws, torch.arange(16.0) + network(see(faces)), atol=1e-4)
    assert (ws[0] - ws[1]).abs().max() > 1e-3


def test_e4e_adds_differences_to_its_first_style(tmp_path, tiny_generator, faces):
    psp, e4e = make("GradualStyleEncoder"), make("Encoder4Editing")
    e4e.load_state_dict(psp.state_dict())
    plain, progressive = psp(see(faces)), e4e(see(faces))
    assert torch.allclose(progressive[:, 0], plain[:, 0])
    assert torch.allclose(progressive[:, 1:], plain[:, :1] + plain[:, 1:])


def test_styles_are_read_from_coarse_to_fine_maps():
    network = make("GradualStyleEncoder")
    assert [
        len(head.convs) // 2 for head in StyleEncoder(StyleEncoderConfig("Encoder4Editing", 9, width=1)).styles
    ] == [
        4,
        4,
        4,
        5,
        5,
        5,
        5,
        6,
        6,
    ]
    assert [tuple(x.shape[1:]) for x in network._describe(torch.zeros(1, 3, 256, 256))] == [
        (16, 16, 16),
        (16, 32, 32),
        (16, 64, 64),
    ]


def test_restyle_looks_at_its_own_attempts(tiny_generator, faces, tmp_path):
    network = make("ProgressiveBackboneEncoder", in_channels=6)
    path = save(tmp_path / "e.pt", network, "ProgressiveBackboneEncoder", opts={"n_iters_per_batch": 2})
    ws = torch.arange(16.0).expand(2, 6, -1)
    for _ in range(2):
        ws = ws + network(torch.cat([see(faces), see(tiny_generator.synthesis(ws))], dim=1))
    assert torch.allclose(load_encoder(path, tiny_generator)(faces), ws, atol=1e-3)


def test_the_published_shapes_fill_the_published_file():
    with torch.device("meta"):
        state = StyleEncoder(StyleEncoderConfig("Encoder4Editing")).state_dict()
    assert {
        "input_layer.0.weight": (64, 3, 3, 3),
        "body.3.shortcut_layer.1.running_mean": (128,),
        "body.20.res_layer.5.fc1.weight": (16, 256, 1, 1),
        "body.23.res_layer.3.weight": (512, 512, 3, 3),
        "styles.17.convs.10.weight": (512, 512, 3, 3),
        "styles.0.linear.weight": (512, 512),
        "latlayer2.weight": (512, 128, 1, 1),
    }.items() <= {name: tuple(tensor.shape) for name, tensor in state.items()}.items()
    total = 4 * (sum(math.prod(tensor.shape) for tensor in state.values()) + SYNTHESIS)
    assert 0.999 * SIZE_OF_E4E < total < SIZE_OF_E4E


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda state, opts: state.pop("encoder.styles.3.linear.bias"), "styles.3.linear.bias is missing"),
        (lambda state, opts: state.update({"encoder.x": torch.zeros(1)}), "x is no tensor of StyleEncoder"),
        (lambda state, opts: state.update({"encoder.input_layer.0.weight": torch.zeros(3)}), "no encoder"),
        (lambda state, opts: state.update({"encoder.latlayer1.bias": torch.zeros(3)}), "latlayer1.bias has shape"),
        (lambda state, opts: opts.update(encoder_type="ResNetBackboneEncoder"), "of type 'ResNetBackboneEncoder'"),
        (lambda state, opts: opts.clear(), "of type 'None'"),
        (lambda state, opts: [state.pop(name) for name in list(state) if "styles.5" in name], "makes ws of 5 x 16"),
        (lambda state, opts: state.clear(), "holds no encoder"),
    ],
)
def test_other_files_are_refused(spoil, words, tiny_generator, tmp_path):
    path = save(tmp_path / "e.pt", make("Encoder4Editing"), "Encoder4Editing")
    content = torch.load(path, weights_only=True)
    spoil(content["state_dict"], content["opts"])
    torch.save(content, path)
    with pytest.raises(InputError, match=words) as caught:
        load_encoder(path, tiny_generator)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_mean_of_another_shape_is_refused(tiny_generator, tmp_path):
    path = save(tmp_path / "e.pt", make("Encoder4Editing"), "Encoder4Editing", latent_avg=torch.zeros(5))
    with pytest.raises(InputError, match="latent_avg is no mean"):
        load_encoder(path, tiny_generator)


def test_a_text_is_no_encoder(tiny_generator, tmp_path):
    (tmp_path / "e.pt").write_text("hello")
    with pytest.raises(InputError, match=r"e.pt: holds no encoder"):
        load_encoder(tmp_path / "e.pt", tiny_generator)
