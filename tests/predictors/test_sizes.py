"""The table of networks in docs/predictors.md counts what is built; the originals' own counts stand in each test."""

import re
from pathlib import Path

import pytest
import torch

from latentedit.predictors import make_predictor
from latentedit.predictors.autoencoder import Autoencoder
from latentedit.predictors.face_resnet import FaceResNet, FaceSENet
from latentedit.predictors.resnet import ResNet
from latentedit.predictors.vgg_face import VGG16
from latentedit.predictors.vit import SHAPES, VisionTransformer

DOCS = Path(__file__).parents[2] / "docs" / "predictors.md"
COUNTED = dict(re.findall(r"^\| ([^|]+?) \| ([\d,]+) \| [^|]+ \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE))
NETWORKS = {
    "VGG16 of faces": VGG16,
    "ResNet-50 of faces": FaceResNet,
    "SENet-50 of faces": FaceSENet,
    **{f"ResNet-{depth}": lambda depth=depth: ResNet(depth) for depth in (50, 101, 152)},
    "ViT-B/16": lambda: VisionTransformer(SHAPES["vit-b-16"]),
    "ViT-B/32": lambda: VisionTransformer(SHAPES["vit-b-32"]),
    "ViT-L/16": lambda: VisionTransformer(SHAPES["vit-l-16"]),
    "ResMem": lambda: make_predictor("resmem"),
    "ViTMem": lambda: make_predictor("vitmem"),
    "VGG16 autoencoder": Autoencoder,
    "BERT, without its pooler": lambda: make_predictor("face_text", mode="text").bert,
}


@pytest.mark.parametrize("name", COUNTED)
def test_the_docs_count_what_is_built(name):
    if name.startswith("BERT"):
        pytest.importorskip("transformers")
    with torch.device("meta"):
        weights = NETWORKS[name]().parameters()
        assert f"{sum(weight.numel() for weight in weights):,}" == COUNTED[name]


def test_every_network_is_in_the_table():
    assert COUNTED.keys() == NETWORKS.keys()
