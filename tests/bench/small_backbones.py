"""Small networks that know faces, for tests/bench/predictors.py: VGGFace's and ImageNet's weights are not at hand here.

Each learns to tell, from faces of the bundled generator, the principal components of their oriented gradients: no
rating is seen. The autoencoder learns to reconstruct the same faces. `--only NAME ...` trains some of them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import latentedit as le
from latentedit.predictors import make_predictor
from latentedit.predictors.features import FeatureConfig, GradientFeatures
from latentedit.training.autoencoding import Autoencoding, train_autoencoder

SIDE, WIDTH, NUM_FACES, STEPS, BATCH, RATE = 64, 8, 6000, 1000, 64, 4e-3
COMPONENTS, RECONSTRUCTED, EPOCHS = 128, 4000, 3
SPREAD = 64  # of pixels of 0 to 255 about their mean
SMALL = {"width": WIDTH, "input_size": SIDE}
CLIP = {
    "model_type": "clip_vision_model",
    "hidden_size": 96,
    "intermediate_size": 192,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": SIDE // 8,
    "projection_dim": COMPONENTS,
}


@dataclass(frozen=True)
class Faces:
    """Faces and their mirror images [2 N, 3, S, S] in [-1, 1], and what is to be told of them [2 N, 128]."""

    images: Tensor
    targets: Tensor


def prepare_backbones(outdir: Path, names: list[str], steps: int) -> dict[str, Path]:
    """Train what is not there yet: -> a file for each part that predictors start from."""
    outdir.mkdir(parents=True, exist_ok=True)
    files = {name: outdir / f"{name}.pth" for name in ("resnet50", "senet50", "vgg16", "backbone")}
    files |= {"features": outdir / "clip", "autoencoder": outdir / "autoencoder.safetensors"}
    missing = [name for name, file in files.items() if not file.exists() and (not names or name in names)]
    faces = measure_faces(outdir / "faces.pt") if missing else None
    for name in missing:
        start = time.process_time()
        torch.manual_seed(0)
        WRITERS[name](faces, files[name], steps)
        print(f"{name}: {time.process_time() - start:.0f} s", flush=True)
    return files


@torch.no_grad()
def measure_faces(file: Path) -> Faces:
    """Render faces, or read what was rendered before, and measure them."""
    if not file.exists():
        generator = le.load_generator()
        latents = le.sample(generator, seeds=range(NUM_FACES), truncation_psi=1.0)
        faces = torch.cat([le.render(generator, ws).clamp(-1, 1) for ws in latents.split(32)])
        torch.save((faces * 127.5 + 127.5).round().to(torch.uint8), file)
    faces = torch.load(file, weights_only=True) / 127.5 - 1
    images = torch.cat([faces, faces.flip(-1)])
    return Faces(images, measure_gradients(images))


def measure_gradients(images: Tensor) -> Tensor:
    """Take the principal components of oriented gradients, damped to the square root of their spread: -> [N, 128]."""
    torch.manual_seed(0)
    features = torch.cat(GradientFeatures(FeatureConfig(SIDE, 1, (8,)))(images), dim=1)
    features -= features.mean(dim=0)
    _, _, directions = torch.pca_lowrank(features[: len(features) // 2], COMPONENTS, niter=4)
    found = features @ directions
    spread = found.std(dim=0)
    return found / (spread * spread.mean()).sqrt()


def _write_face_network(name: str, faces: Faces, file: Path, steps: int) -> None:
    network = make_predictor(name, **SMALL).backbones[name]
    if name == "vgg16":  # without normalisation nothing passes layers as torch draws them
        for layer in network.children():
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    distil(network, lambda x: network.pooled_features(network.normalise((x + 1) * 127.5) / SPREAD), faces, steps)
    first = network.conv1_1 if name == "vgg16" else network.conv1
    first.weight.data /= SPREAD
    save(network, file)


def _write_backbone(faces: Faces, file: Path, steps: int) -> None:
    network = make_predictor("sigmoid_head", **SMALL)
    distil(network.backbone, lambda x: network.backbone.pooled_features(network.preprocess(x)), faces, steps)
    save(network.backbone, file)


def _write_features(faces: Faces, folder: Path, steps: int) -> None:
    network = make_predictor("frozen_features", config=CLIP)
    features = network.features.requires_grad_(True)
    distil(features, network.preprocess, faces, steps, RATE / 4)
    features.save_pretrained(folder)


def _write_autoencoder(faces: Faces, file: Path, _steps: int) -> None:
    pixels = ((faces.images[:RECONSTRUCTED] + 1) * 127.5).round().to(torch.uint8)
    train_autoencoder(pixels, file, Autoencoding(WIDTH, SIDE, EPOCHS, BATCH // 2, RATE / 2))


WRITERS = {name: partial(_write_face_network, name) for name in ("resnet50", "senet50", "vgg16")}
WRITERS |= {"backbone": _write_backbone, "features": _write_features, "autoencoder": _write_autoencoder}


def save(network: nn.Module, file: Path) -> None:
    torch.save({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)


def distil(
    network: nn.Module, describe: Callable[[Tensor], Tensor], faces: Faces, steps: int, rate: float = RATE
) -> None:
    """Teach a network what the gradients of faces are, in bf16."""
    network.to(memory_format=torch.channels_last)
    with torch.no_grad():
        read = nn.Linear(describe(faces.images[:2]).shape[1], COMPONENTS)
    weights = [*network.parameters(), *read.parameters()]
    optimizer = torch.optim.Adam(weights, rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.2)
    network.train()
    for step in range(steps):
        rows = torch.randint(len(faces.images), (BATCH,))
        images = faces.images[rows].to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            said = read(describe(images))
        loss = F.mse_loss(said.float(), faces.targets[rows]) / faces.targets[rows].square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        if step % 250 == 0 or step == steps - 1:
            print(f"  step {step}: unexplained {loss.item():.3f}", flush=True)
    network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outdir", type=Path, default=Path("runs/predictors/backbones"))
    parser.add_argument("--only", nargs="+", default=[], choices=[*WRITERS])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    prepare_backbones(args.outdir, args.only, args.steps)


if __name__ == "__main__":
    main()
