"""Weights that tell people apart, from keras-vggface's .h5 files or the PyTorch ports' .pth, .pt and .pkl."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentedit.errors import InputError, about, damaged
from latentedit.predictors.face_resnet import FaceResNet
from latentedit.predictors.vgg_face import SIDE, VGG16
from latentedit.predictors.weights import fill, read_weights

FaceNetwork = VGG16 | FaceResNet
HDF5 = b"\x89HDF\r\n\x1a\n"
BATCH_NORM = ("weight", "bias", "running_mean", "running_var")  # in Keras' order
PARTS = {
    "1x1_reduce": "conv1",
    "3x3": "conv2",
    "1x1_increase": "conv3",
    "1x1_proj": "downsample.0",
    "1x1_down": "conv4",
    "1x1_up": "conv5",
}
DAMAGED = "can't be read as HDF5: the file is damaged or cut short, fetch it again"
LARGEST = 2**28  # numbers of one array; the largest of VGG16 has 2**27


def load_identities(network: FaceNetwork, path: Path) -> None:
    """Fill a face network with the weights that were learned on VGGFace or VGGFace2.

    Keras' files are turned to torch's layout, VGG16's also from BGR to RGB, and a ResNet computes as Keras does
    from then on. Files without their top leave all that is connected fully as it is. Raises InputError for any
    other file.
    """
    with about(path):
        with path.open("rb") as file:
            is_keras = file.read(len(HDF5)) == HDF5
        found = dict(_read_keras(network, path)) if is_keras else read_weights(path)
        fill(network, found, lambda name: name.startswith("fc"))
    if is_keras and isinstance(network, FaceResNet):
        network.imitate_keras()


def _read_keras(network: FaceNetwork, path: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights of a Keras file under torch's names."""
    with damaged(DAMAGED), _open_keras(path) as file:
        groups = file.get("model_weights", file)
        for layer in groups.attrs["layer_names"]:
            group = groups[_text(layer)]
            arrays = [_read_array(group, _text(name)) for name in group.attrs["weight_names"]]
            yield from _translate(network, _text(layer), arrays)


def _open_keras(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise InputError("is a file of Keras: `pip install 'latentedit[predictors]'` to read it") from error
    try:
        return h5py.File(path)
    except OSError as error:
        raise InputError(DAMAGED) from error


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _read_array(group: Any, name: str) -> Tensor:
    dataset = group[name]
    if dataset.size > LARGEST or dataset.external:
        raise InputError(f"{name:.80} is not stored as plain numbers")
    return torch.from_numpy(dataset[()]).float()


def _translate(network: FaceNetwork, layer: str, arrays: list[Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Name a layer's arrays as torch does, and turn them to its layout."""
    if not arrays:
        return
    name = layer if isinstance(network, VGG16) else _rename(layer)
    if layer.endswith("/bn"):
        yield from ((f"{name}.{kind}", array) for kind, array in zip(BATCH_NORM, arrays, strict=True))
        return
    yield f"{name}.weight", _turn(network, name, arrays[0])
    yield from ((f"{name}.bias", bias) for bias in arrays[1:])


def _rename(layer: str) -> str:
    """Translate such as `conv3_1_1x1_reduce/bn` into `layer2.0.bn1`."""
    if layer == "classifier":
        return "fc"
    place = re.fullmatch(r"conv(\d)_(\d)_(\w+?)(/bn)?", layer)
    stem, name = ("", "conv1") if place is None else (f"layer{int(place[1]) - 1}.{int(place[2]) - 1}.", PARTS[place[3]])
    if not layer.endswith("/bn"):
        return stem + name
    return stem + ("downsample.1" if name == "downsample.0" else name.replace("conv", "bn"))


def _turn(network: FaceNetwork, name: str, kernel: Tensor) -> Tensor:
    """Bring a kernel to torch's layout: [H, W, I, O] -> [O, I, H, W], [I, O] -> [O, I]."""
    if kernel.ndim == 2 and name == "fc6":  # reads the feature map row by row, channels last
        return kernel.reshape(SIDE, SIDE, -1, kernel.shape[1]).permute(3, 2, 0, 1).flatten(1)
    if kernel.ndim == 2:
        return kernel.t()
    turned = kernel.permute(3, 2, 0, 1)
    return turned.flip(1) if name == "conv1_1" else turned
