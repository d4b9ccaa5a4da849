"""Small networks that know faces, for tests/bench/predictors.py: VGGFace's and ImageNet's weights are not at hand here.

Each learns to tell, from other faces than those that are rated, the 64 principal components of their oriented
gradients at 64 px: no rating is seen. The autoencoder learns to reconstruct the same faces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentedit.photographs import list_images, load_square
from latentedit.predictors import make_predictor
from latentedit.predictors.features import FeatureConfig, GradientFeatures
from latentedit.predictors.predictor import resize
from latentedit.training.autoencoding import Autoencoding, train_autoencoder

SIDE, WIDTH, BATCH, RATE, COMPONENTS = 32, 8, 32, 1e-3, 64
SPREAD = 64  # of pixels of 0 to 255 about their mean
SMALL = {"width": WIDTH, "input_size": SIDE}
CLIP = {
    "model_type": "clip_vision_model",
    "hidden_size": 96,
    "intermediate_size": 192,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": 4,
    "projection_dim": 64,
}


def prepare_backbones(data: Path, outdir: Path, epochs: int) -> dict[str, Path]:
    """Train what is not there yet: -> a file for each part that predictors start from."""
    outdir.mkdir(parents=True, exist_ok=True)
    files = {name: outdir / f"{name}.pth" for name in ("resnet50", "senet50", "vgg16", "backbone")}
    files |= {"features": outdir / "clip", "autoencoder": outdir / "autoencoder.safetensors"}
    if all(file.exists() for file in files.values()):
        return files
    large = torch.stack([load_square(path, 2 * SIDE) for path in list_images([data])]) / 127.5 - 1
    large = torch.cat([large, large.flip(-1)])
    faces = Faces(resize(large, SIDE), measure_gradients(large))
    for name, file in files.items():
        if not file.exists():
            print(f"training {name} on {len(large) // 2} faces", flush=True)
            torch.manual_seed(0)
            WRITERS[name](faces, file, epochs)
    return files


@dataclass(frozen=True)
class Faces:
    """Faces and their mirror images [2 N, 3, S, S] in [-1, 1], and what is to be told of them [2 N, 64]."""

    images: Tensor
    targets: Tensor


def _write_face_network(name: str, faces: Faces, file: Path, epochs: int) -> None:
    network = make_predictor(name, **SMALL).backbones[name]
    if name == "vgg16":  # without normalisation nothing passes layers as torch draws them
        for layer in network.children():
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    distil(network, lambda x: network.pooled_features(network.normalise((x + 1) * 127.5) / SPREAD), faces, epochs)
    first = network.conv1_1 if name == "vgg16" else network.conv1
    first.weight.data /= SPREAD
    torch.save(network.state_dict(), file)


def _write_backbone(faces: Faces, file: Path, epochs: int) -> None:
    network = make_predictor("sigmoid_head", **SMALL)
    distil(network.backbone, lambda x: network.backbone.pooled_features(network.preprocess(x)), faces, epochs)
    torch.save(network.backbone.state_dict(), file)


def _write_features(faces: Faces, folder: Path, epochs: int) -> None:
    network = make_predictor("frozen_features", config=CLIP)
    features = network.features.requires_grad_(True)
    distil(features, lambda x: features(pixel_values=network.preprocess(x)).image_embeds, faces, epochs)
    features.save_pretrained(folder)


def _write_autoencoder(faces: Faces, file: Path, epochs: int) -> None:
    pixels = ((faces.images[: len(faces.images) // 2] + 1) * 127.5).round().to(torch.uint8)
    train_autoencoder(pixels, file, Autoencoding(WIDTH, SIDE, epochs, BATCH, 2 * RATE))


WRITERS = {name: partial(_write_face_network, name) for name in ("resnet50", "senet50", "vgg16")}
WRITERS |= {"backbone": _write_backbone, "features": _write_features, "autoencoder": _write_autoencoder}


def distil(network: nn.Module, describe: Callable[[Tensor], Tensor], faces: Faces, epochs: int) -> None:
    """Teach a network what the gradients of faces are."""
    with torch.no_grad():
        read = nn.Linear(describe(faces.images[:2]).shape[1], COMPONENTS)
    optimizer = torch.optim.Adam([*network.parameters(), *read.parameters()], RATE)
    steps = epochs * (len(faces.images) // 2 // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    network.train()
    for step in range(steps):
        rows = torch.randint(len(faces.images), (BATCH,))
        loss = F.mse_loss(read(describe(faces.images[rows])), faces.targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"  step {step}: unexplained {loss.item():.3f}", flush=True)
    network.eval()


@torch.no_grad()
def measure_gradients(images: Tensor) -> Tensor:
    """Take the principal components of oriented gradients, of equal weight: -> [N, 64]."""
    features = torch.cat(GradientFeatures(FeatureConfig(2 * SIDE, 1, (8,)))(images), dim=1)
    features = features - features.mean(dim=0)
    _, _, directions = torch.pca_lowrank(features, COMPONENTS, niter=4)
    found = features @ directions
    return found / found.std(dim=0)
