"""One tiny valid file of every kind that a reader opens: where the fuzzing starts."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path += [str(Path(__file__).parents[1] / "checkpoints")]
from configs import make_generator
from nvidia_pickle import persist, write_archive, write_pickle
from tensorflow_pickle import write_tensorflow

from latentedit.checkpoints import TARGETS, Checkpoint, convert, fingerprint, save_generator
from latentedit.direction import Direction
from latentedit.library import save_direction
from latentedit.networks import Generator, GeneratorConfig, StyleGAN3Config
from latentedit.predictors import OmiAssessor
from latentedit.predictors.features import FeatureConfig, GradientFeatures
from latentedit.predictors.placement import Placement
from latentedit.training.gan import Settings, Training
from latentedit.training.generator import save_state

CONFIG = GeneratorConfig(8, (2, 2), z_dim=4, w_dim=4, num_mapping_layers=1)
STATE_CONFIG = GeneratorConfig(4, (1,), z_dim=1, w_dim=1, num_mapping_layers=1, use_noise=False)
STATE_SETTINGS = Settings(batch=1, precision="fp32")
ROW = np.linspace(-1, 1, 4)[None]
EDIT = {"lat_comp": ROW, "lat_stdev": 2.0, "latent_space": "W", "edit_type": "latent", "edit_start": 0, "edit_end": 4}


def write_checkpoints(folder: Path) -> None:
    """Write a generator in the format of every tool."""
    generator = make_generator(CONFIG)
    network = persist(generator, {})
    write_pickle(folder / "nvidia.pkl", {"G_ema": network})
    write_tensorflow(folder / "tensorflow.pkl", generator)
    write_archive(folder / "pti.pt", network)
    write_archive(folder / "pti-legacy.pt", network, zipped=False)
    save_generator(folder / "latentedit.safetensors", generator)
    stylegan3 = Generator(StyleGAN3Config(16, (2, 2, 2), z_dim=2, w_dim=2, num_mapping_layers=1))
    write_pickle(folder / "stylegan3.pkl", {"G_ema": persist(stylegan3, {})})
    save_generator(folder / "stylegan3.safetensors", stylegan3)
    for target in ("rosinality-pt", "nvidia-pt", "nvidia-safetensors"):
        convert(Checkpoint(generator, "nvidia"), folder / f"{target}{TARGETS[target][0][0]}", target)
    content = torch.load(folder / "rosinality-pt.pt", weights_only=True)
    torch.save(content, folder / "rosinality-legacy.pt", _use_new_zipfile_serialization=False)
    torch.save({"g": content["g_ema"]}, folder / "jojogan.pt")
    decoder = {f"decoder.{name}": x for name, x in content["g_ema"].items()}
    torch.save({"state_dict": decoder, "opts": argparse.Namespace(device="cpu")}, folder / "e4e.pt")


def write_arrays(folder: Path) -> None:
    """Write directions and latents as every tool does."""
    row, ws = torch.from_numpy(ROW), np.repeat(ROW[None], 4, axis=1).astype(np.float32)
    np.save(folder / "age_w_boundary.npy", ROW)
    np.savez(folder / "w.npz", w=ws)
    np.savez_compressed(folder / "pca.npz", comp=np.eye(4), std=np.ones(4))
    np.save(folder / "restyle.npy", {"a.jpg": [ROW, ROW]}, allow_pickle=True)
    (folder / "channels.txt").write_text("9_6, 12_479\n")
    (folder / "edit.pkl").write_bytes(pickle.dumps(EDIT))
    torch.save(row, folder / "e4e.pt")
    torch.save({"w": row}, folder / "ganalyze-legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"ckpt": "ffhq.pt", "eigvec": torch.eye(4)}, folder / "factor.pt")
    torch.save({"a.jpg": {"noise": [], "img": row, "latent": row}}, folder / "projection.pt")


def write_records(folder: Path) -> None:
    """Write latentedit's own files beside generators."""
    direction = Direction("up", torch.from_numpy(ROW).repeat(4, 1), tuple(range(4)), sigma=0.5)
    save_direction(direction, folder / "direction.safetensors")
    config = FeatureConfig(img_resolution=8, octaves=1, cells=(4,), num_orientations=2, colour_resolution=2)
    features = GradientFeatures(config)
    placement = Placement(config, torch.zeros(config.num_features), torch.zeros(config.num_features, 2))
    assessor = OmiAssessor(features, ["memorable", "happy"], num_supports=2, gamma=0.5, placement=placement)
    assessor.save(folder / "assessor.safetensors", {})
    save_state(Training(STATE_CONFIG, STATE_SETTINGS, torch.device("cpu")), folder / "state.pt")
    index = {"generator": fingerprint(make_generator(CONFIG)), "directions": {"up": "rated memorable"}}
    item = {
        "name": "mine",
        "file": "mine.pkl",
        "kind": "generator",
        "size": 9,
        "mirrors": ["https://example.org/mine.pkl"],
    }
    (folder / "registry.json").write_text(json.dumps([item]))
    (folder / "index.json").write_text(json.dumps(index))


def write_images(folder: Path) -> None:
    """Write a small picture in every format and some modes."""
    for suffix in ("bmp", "jpg", "png", "webp", "gif", "tiff", "ico", "ppm", "tga", "pcx", "jp2"):
        with contextlib.suppress(OSError, KeyError):  # what this Pillow cannot write
            Image.effect_noise((9, 8), 60).convert("RGB").save(folder / f"image.{suffix}")
    Image.new("P", (8, 8)).save(folder / "palette.png", transparency=0)
    Image.new("I;16", (8, 8)).save(folder / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(folder / "turned.jpg", exif=exif)


WRITERS = {"checkpoints": write_checkpoints, "arrays": write_arrays, "records": write_records, "images": write_images}


def write_seeds(folder: Path) -> dict[str, Path]:
    """Write every kind of seed into a folder of its own below; return the folders by kind."""
    folders = {kind: folder / kind for kind in WRITERS}
    with _quiet_random():
        for kind, write in WRITERS.items():
            folders[kind].mkdir(parents=True, exist_ok=True)
            write(folders[kind])
    return folders


@contextlib.contextmanager
def _quiet_random() -> Iterator[None]:
    """Leave torch's random numbers as they were, and start from the same ones every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        np.random.default_rng(0)
        os.environ.setdefault("LATENTEDIT_HOME", os.devnull)
        yield
