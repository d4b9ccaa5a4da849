"""VGG16, ResNet-50 and SENet-50 of faces: as large as their originals, filled from anybody's files."""

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from latentedit.errors import InputError
from latentedit.predictors import make_predictor
from latentedit.predictors.face_resnet import FaceBottleneck, FaceResNet, FaceSENet
from latentedit.predictors.identity_weights import load_identities
from latentedit.predictors.vgg_face import VGG16

# VGG16 by the summaries of keras-vggface and deepface. The others: ResNet-50 of torchvision's documentation
# (25,557,032) with 8,631 classes for 1,000, and with the gates, 2 C C / 16 + C + C / 16 a block (Hu et al. 2018).
# keras-vggface's own summaries of RESNET50 and SENET50 without classes count 23,508,032 and 26,039,024 trainable.
NUM_PARAMETERS = {VGG16: 145_002_878, FaceResNet: 23_508_032 + 17_684_919, FaceSENet: 26_039_024 + 17_684_919}
STAGES = {2: 3, 3: 4, 4: 6, 5: 3}


@pytest.mark.parametrize("kind", NUM_PARAMETERS)
def test_a_network_has_as_many_weights_as_its_original(kind):
    with torch.device("meta"):
        assert sum(weight.numel() for weight in kind().parameters()) == NUM_PARAMETERS[kind]


def test_tensors_have_the_ports_names():
    """Those of vgg_face_dag (Albanie's conversion of the original) and of cydonia999/VGGFace2-pytorch."""
    with torch.device("meta"):
        vgg, senet = ({name: tuple(t.shape) for name, t in kind().state_dict().items()} for kind in (VGG16, FaceSENet))
    assert vgg["conv1_1.weight"] == (64, 3, 3, 3)
    assert vgg["conv5_3.bias"] == (512,)
    assert vgg["fc6.weight"] == (4096, 25088)
    assert vgg["fc8.weight"] == (2622, 4096)
    assert len(vgg) == 2 * 16
    assert senet["layer1.0.conv4.weight"] == (16, 256, 1, 1)
    assert senet["layer4.2.conv5.bias"] == (2048,)
    assert senet["layer2.0.downsample.1.running_mean"] == (512,)
    assert senet["fc.weight"] == (8631, 2048)


def make(kind):
    torch.manual_seed(0)
    network = kind(num_classes=5, width=2, **({"hidden": 8} if kind is VGG16 else {})).eval()
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            tensor.uniform_(0.5, 1.5)
    return network


def to_keras(name, tensor):
    """Turn a kernel to Keras' layout; VGG16's first reads BGR, its fc6 the feature map with channels last."""
    array = tensor.numpy()
    if name == "fc6":
        return array.reshape(len(array), -1, 7, 7).transpose(2, 3, 1, 0).reshape(-1, len(array))
    turned = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
    return turned[:, :, ::-1] if name == "conv1_1" else turned


def list_layers(kind):
    """List Keras' names of layers beside the ports': of keras-vggface, models.py."""
    if kind is VGG16:
        convolutions = [f"conv{i}_{j}" for i, count in enumerate((2, 2, 3, 3, 3), 1) for j in range(1, count + 1)]
        return [(name, name) for name in [*convolutions, "fc6", "fc7", "fc8"]]
    pairs = [("conv1/7x7_s2", "conv1"), ("conv1/7x7_s2/bn", "bn1"), ("classifier", "fc")]
    parts = {"1x1_reduce": "1", "3x3": "2", "1x1_increase": "3"}
    for stage, count in STAGES.items():
        for block in range(1, count + 1):
            keras, port = f"conv{stage}_{block}_", f"layer{stage - 1}.{block - 1}."
            for part, digit in parts.items():
                pairs += [(keras + part, f"{port}conv{digit}"), (f"{keras}{part}/bn", f"{port}bn{digit}")]
            if block == 1:
                pairs += [
                    (f"{keras}1x1_proj", f"{port}downsample.0"),
                    (f"{keras}1x1_proj/bn", f"{port}downsample.1"),
                ]
            if kind is FaceSENet:
                pairs += [(f"{keras}1x1_down", f"{port}conv4"), (f"{keras}1x1_up", f"{port}conv5")]
    return pairs


def write_keras(path, network, leave_out=()):
    """Write a network as Keras' save_weights does."""
    state = network.state_dict()
    with h5py.File(path, "w") as file:
        pairs = [
            ("input_1", ""),
            *((keras, port) for keras, port in list_layers(type(network)) if port not in leave_out),
        ]
        file.attrs["layer_names"] = [keras.encode() for keras, _ in pairs]
        for keras, port in pairs:
            kinds = ("weight", "bias", "running_mean", "running_var")
            tensors = {kind: state[f"{port}.{kind}"] for kind in kinds if f"{port}.{kind}" in state}
            group = file.create_group(keras)
            group.attrs["weight_names"] = [f"{keras}/{kind}:0".encode() for kind in tensors]
            for kind, tensor in tensors.items():
                is_kernel = kind == "weight" and tensor.ndim > 1
                group[f"{keras}/{kind}:0"] = to_keras(port, tensor) if is_kernel else tensor.numpy()


@pytest.mark.parametrize("kind", NUM_PARAMETERS)
def test_keras_files_fill_every_tensor(kind, tmp_path):
    source = make(kind)
    write_keras(tmp_path / "identities.h5", source)
    filled = kind(num_classes=5, width=2, **({"hidden": 8} if kind is VGG16 else {}))
    load_identities(filled, tmp_path / "identities.h5")
    for name, tensor in source.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(filled.state_dict()[name], tensor), name


def test_vgg16_of_keras_sees_what_keras_sees(tmp_path):
    """Keras' arithmetic by hand: BGR, channels last, flattened row by row."""
    network = VGG16(num_classes=5, width=2, hidden=8)
    write_keras(tmp_path / "vgg.h5", make(VGG16))
    load_identities(network, tmp_path / "vgg.h5")
    with h5py.File(tmp_path / "vgg.h5") as file:
        kernel, dense = (np.asarray(file[f"{name}/{name}/weight:0"]) for name in ("conv1_1", "fc6"))
    rgb = torch.rand(1, 3, 5, 5)
    patch = rgb[0].flip(0).permute(1, 2, 0)[1:4, 1:4].numpy()  # BGR, the centre
    by_hand = np.tensordot(patch, kernel, 3) + network.conv1_1.bias.detach().numpy()
    np.testing.assert_allclose(network.conv1_1(rgb)[0, :, 2, 2].detach(), by_hand, atol=1e-5)
    features = torch.rand(1, 16, 7, 7)
    rows = features.permute(0, 2, 3, 1).reshape(1, -1).numpy()
    np.testing.assert_allclose(
        network.fc6(features.flatten(1)).detach(), rows @ dense + network.fc6.bias.detach().numpy(), atol=1e-5
    )


def test_a_resnet_of_keras_pads_and_pools_as_keras_does(tmp_path):
    network = make(FaceSENet)
    images = torch.rand(1, 3, 224, 224)
    caffe = network.pool(network.convolve(images))
    write_keras(tmp_path / "senet.h5", network)
    load_identities(network, tmp_path / "senet.h5")
    keras = network.pool(network.convolve(images))
    assert (caffe.shape[-1], keras.shape[-1]) == (56, 55)  # the maps of Caffe, and of keras-vggface's summary
    # TensorFlow's "same" with stride 2 begins two pixels outside, torch's padding of 3 begins three.
    corner = (F.pad(images, (2, 0, 2, 0))[0, :, :7, :7] * network.conv1.weight).sum(dim=(1, 2, 3))
    torch.testing.assert_close(network.convolve(images)[0, :, 0, 0], corner)
    assert network.bn1.eps == 1e-4


@pytest.mark.parametrize("kind", NUM_PARAMETERS)
def test_files_without_classes_leave_them_alone(kind, tmp_path):
    source = make(kind)
    write_keras(tmp_path / "notop.h5", source, leave_out=("fc", "fc6", "fc7", "fc8"))
    filled = make(kind)
    with torch.no_grad():
        for weight in filled.parameters():
            weight.add_(1)
    load_identities(filled, tmp_path / "notop.h5")
    last = "fc8" if kind is VGG16 else "fc"
    assert torch.equal(filled.get_submodule(last).weight, source.get_submodule(last).weight + 1)
    first = "conv1_1" if kind is VGG16 else "conv1"
    assert torch.equal(filled.get_submodule(first).weight, source.get_submodule(first).weight)


@pytest.mark.parametrize("form", ["state dict", "arrays", "of several processes"])
def test_ports_files_are_read(form, tmp_path):
    source, filled = make(FaceSENet), FaceSENet(num_classes=5, width=2)
    path, state = tmp_path / "senet50_scratch_weight.pkl", source.state_dict()
    if form == "arrays":  # cydonia999's are pickled dictionaries of arrays
        import pickle

        path.write_bytes(pickle.dumps({name: tensor.numpy() for name, tensor in state.items()}))
    elif form == "state dict":
        torch.save(state, path)
    else:
        torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, path)
    load_identities(filled, path)
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(filled.eval()(images), source(images))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("layer1.0.conv1.weight"), "layer1.0.conv1.weight is missing"),
        (lambda state: state.update(extra=torch.zeros(2)), "extra is no tensor of FaceSENet"),
        (
            lambda state: state.update({"conv1.weight": torch.zeros(2)}),
            r"conv1.weight has shape \[2\], not \[2, 3, 7, 7\]",
        ),
        (lambda state: state.clear(), "is missing"),
    ],
)
def test_files_of_other_networks_are_refused(change, message, tmp_path):
    network = make(FaceSENet)
    state = network.state_dict()
    change(state)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(InputError, match=rf"x.pth: .*{message}"):
        load_identities(network, tmp_path / "x.pth")


def test_a_damaged_keras_file_is_one_line(tmp_path):
    network = make(FaceResNet)
    write_keras(tmp_path / "x.h5", network)
    (tmp_path / "x.h5").write_bytes((tmp_path / "x.h5").read_bytes()[:600])
    with pytest.raises(InputError, match=r"x.h5: can't be read as HDF5"):
        load_identities(network, tmp_path / "x.h5")


def test_caffes_bottleneck_strides_first_and_gates_weigh_channels():
    block = FaceBottleneck(8, 2, stride=2)
    assert (block.conv1.stride, block.conv2.stride) == ((2, 2), (1, 1))
    gated = make(FaceSENet).layer1[1]
    torch.nn.init.zeros_(gated.conv5.weight)
    torch.nn.init.constant_(gated.conv5.bias, 100.0)
    y = torch.rand(1, 8, 4, 4)
    assert torch.allclose(gated.reweight(y), y)
    gated.conv5.bias.data[3] = -100
    assert gated.reweight(y)[:, 3].abs().max() < 1e-6


def test_pixels_are_centred_in_the_order_that_the_weights_know():
    white = torch.full([1, 3, 2, 2], 255.0)
    red = white * torch.tensor([1.0, 0, 0])[:, None, None]
    torch.testing.assert_close(
        make(FaceResNet).normalise(red)[0, :, 0, 0], torch.tensor([-91.4953, -103.8827, 123.9088])
    )
    torch.testing.assert_close(make(VGG16).normalise(red)[0, :, 0, 0], torch.tensor([125.8137, -104.7624, -93.594]))


def test_fusions_see_the_features_side_by_side():
    torch.manual_seed(0)
    fused = make_predictor("senresvgg", width=2, input_size=64).eval()
    assert [*fused.backbones] == ["senet50", "resnet50", "vgg16"]
    images = torch.rand(2, 3, 80, 80) * 2 - 1
    x = fused.preprocess(images)
    assert (x.shape, x.min() >= 0, x.max() > 200) == ((2, 3, 64, 64), True, True)
    parts = [network.pooled_features(network.normalise(x)) for network in fused.backbones.values()]
    assert torch.allclose(fused(x), fused.head(torch.cat(parts, dim=1))[:, 0])


def test_as_published_reads_people_from_pixels_as_they_are():
    torch.manual_seed(0)
    published = make_predictor("resvgg", width=2, input_size=64, as_published=True).eval()
    vgg, resnet = published.backbones["vgg16"], published.backbones["resnet50"]
    assert published.head.in_features == 2622 + 64
    x = published.preprocess(torch.rand(1, 3, 64, 64) * 2 - 1)
    assert torch.allclose(published(x), published.head(torch.cat([resnet.pooled_features(x), vgg(x)], dim=1))[:, 0])


def test_dropout_falls_on_the_features():
    torch.manual_seed(0)
    network = make_predictor("resnet50", dropout=0.5, width=2, input_size=32)
    network.backbones.eval()
    x = network.preprocess(torch.rand(1, 3, 32, 32))
    assert network(x) != network(x)
    network.eval()
    assert network(x) == network(x)
