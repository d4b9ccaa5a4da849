import pytest
import torch

from latentedit.predictors.resnet import Bottleneck, ResNet

# Documented for torchvision's resnet50, resnet101 and resnet152 (docs.pytorch.org/vision, "num_params").
NUM_PARAMETERS = {50: 25_557_032, 101: 44_549_160, 152: 60_192_808}


@pytest.mark.parametrize("depth", NUM_PARAMETERS)
def test_a_network_has_as_many_weights_as_its_original(depth):
    with torch.device("meta"):
        network = ResNet(depth)
    assert sum(weight.numel() for weight in network.parameters()) == NUM_PARAMETERS[depth]


def test_tensors_have_torchvisions_names():
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in ResNet(50).state_dict().items()}
    assert shapes["conv1.weight"] == (64, 3, 7, 7)
    assert shapes["layer1.0.downsample.0.weight"] == (256, 64, 1, 1)
    assert shapes["layer3.5.bn2.running_var"] == (256,)
    assert shapes["layer4.0.downsample.1.weight"] == (2048,)
    assert shapes["fc.weight"] == (1000, 2048)
    assert "layer1.1.downsample.0.weight" not in shapes


def test_a_block_halves_in_its_middle_convolution_and_adds_its_skip():
    torch.manual_seed(0)
    block = Bottleneck(8, 2, stride=2).eval()
    x = torch.randn(2, 8, 6, 6)
    branch = torch.nn.Sequential(block.conv1, block.bn1, torch.nn.ReLU(), block.conv2, block.bn2, torch.nn.ReLU())
    expected = block.bn3(block.conv3(branch(x))) + block.downsample[1](block.downsample[0](x))
    assert torch.allclose(block(x), expected.relu())
    assert (block.conv1.stride, block.conv2.stride) == ((1, 1), (2, 2))
    plain = Bottleneck(8, 2, stride=1).eval()
    torch.nn.init.zeros_(plain.bn3.weight)
    assert torch.equal(plain(x), x.relu())


def test_features_are_what_the_classes_are_read_from():
    torch.manual_seed(0)
    network = ResNet(50, num_classes=3).eval()
    images = torch.rand(2, 3, 64, 64)
    features = network.pooled_features(images)
    assert features.shape == (2, 2048)
    assert torch.equal(network(images), network.fc(features))
