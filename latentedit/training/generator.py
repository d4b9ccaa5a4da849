"""Train a small StyleGAN2 generator from folders of photographs."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.checkpoints import load_generator_file, save_generator
from latentedit.checkpoints.archive import load_archive, require_state
from latentedit.checkpoints.checkpoint import build_generator
from latentedit.errors import InputError, about, damaged
from latentedit.files import replacing, require_regular
from latentedit.networks import GeneratorConfig, block_channels
from latentedit.pictures import image_grid
from latentedit.rendering import render
from latentedit.training.gan import CHANGEABLE, Settings, Training
from latentedit.training.growth import grow
from latentedit.training.images import load_images

NO_STATE = "no state of a training, or a damaged one: move it away or name another --outdir"
SHEET = (4, 8)  # rows and columns of a sample sheet


def small_config(img_resolution: int = 64, channel_base: int = 2048, channel_max: int = 256) -> GeneratorConfig:
    """Shape a generator that a CPU can train, with width min(channel_base / resolution, channel_max) a block."""
    return GeneratorConfig(
        img_resolution,
        block_channels(img_resolution, channel_base, channel_max),
        z_dim=256,
        w_dim=256,
        num_mapping_layers=4,
        use_noise=False,  # with so few images it draws features from the noise instead of from w
    )


def train_generator(
    data: Sequence[Path],
    outdir: Path,
    num_images: int,
    config: GeneratorConfig | None = None,
    settings: Settings | None = None,
    snapshot_images: int = 8_000,
    device: torch.device | None = None,
    quiet: bool = False,
    grow_from: Path | None = None,
) -> Path:
    """Train until `num_images` have been seen, going on from what `outdir` holds; return the state's path.

    Where `outdir` holds nothing, `grow_from` names the state of a training at half the resolution to start from.

    Every `snapshot_images` the state is written (`state.pt`, whole or not at all), with a sheet of
    samples and a line in `log.jsonl`. A killed run repeats the images since then and ends in the
    same weights as one that never stopped.
    """
    config = config or small_config()
    images = load_images(data, config.img_resolution, quiet)
    state_path = outdir / "state.pt"
    with torch.random.fork_rng():
        training = resume(state_path, config, settings or Settings(), device or torch.device("cpu"), grow_from)
        outdir.mkdir(parents=True, exist_ok=True)
        for losses in _steps(training, images, num_images, quiet):
            if training.num_images % snapshot_images < training.settings.batch or training.num_images >= num_images:
                save_state(training, state_path)
                write_snapshot(training, outdir, losses)
    return state_path


def resume(
    state_path: Path, config: GeneratorConfig, settings: Settings, device: torch.device, grow_from: Path | None = None
) -> Training:
    """Set up a training, going on from the state file where there is one, or from a smaller training's."""
    training = Training(config, settings, device)
    if grow_from and not state_path.exists():
        state = load_state(grow_from)
        smaller, _ = _parse_record(grow_from, state["record"])
        with about(grow_from), damaged(NO_STATE):
            grow(training, smaller, state)
    elif state_path.exists():
        state = load_state(state_path)
        earlier_config, earlier = _parse_record(state_path, state["record"])
        present = {name: getattr(settings, name) for name in CHANGEABLE}
        if earlier_config != config or replace(earlier, **present) != settings:
            raise InputError(f"{state_path} was trained with other settings: repeat them or name another --outdir")
        with damaged(f"{state_path}: {NO_STATE}"):
            training.load_state_dict(state)
    return training


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote."""
    with about(path):
        require_regular(path)
        state = load_archive(path)
        if not isinstance(state, dict) or not isinstance(state.get("record"), str):
            raise InputError(NO_STATE)
        return state


def _parse_record(path: Path, record: str) -> tuple[GeneratorConfig, Settings]:
    """Read which network a state is of, and how it was trained."""
    with damaged(f"{path}: {NO_STATE}"):
        stated = json.loads(record)
        return GeneratorConfig.from_dict(stated["config"]), Settings(**stated["settings"])


def export_generator(state_path: Path, out: Path, source: str, licence: str | None) -> str:
    """Write the averaged weights of a training's state as a float16 checkpoint; return its fingerprint."""
    state = load_state(state_path)
    config, settings = _parse_record(state_path, state["record"])
    with about(state_path):
        generator = build_generator(config, require_state(state.get("average")))
    card = {"num_images": state.get("num_images"), "settings": asdict(settings)}
    save_generator(out, generator, source, licence, torch.float16, card)
    return load_generator_file(out).fingerprint


def _steps(training: Training, images: Tensor, num_images: int, quiet: bool) -> Iterator[dict[str, float]]:
    """Step until enough images were seen, showing progress."""
    with tqdm(
        total=num_images, initial=training.num_images, unit="img", desc="training", disable=quiet, smoothing=0.01
    ) as bar:
        while training.num_images < num_images:
            losses = training.step(images)
            bar.update(training.settings.batch)
            bar.set_postfix({name: f"{value:.2f}" for name, value in losses.items()}, refresh=False)
            yield losses


class Resumable(Protocol):
    """A training that can say all that it needs to go on."""

    def state_dict(self) -> dict[str, Any]:
        """Return it as plain values and tensors."""


def save_state(training: Resumable, path: Path) -> None:
    """Write the training's state, whole or not at all."""
    content = io.BytesIO()  # torch.save into a file reports a full disk as an internal error
    torch.save(training.state_dict(), content)
    with about(path), replacing(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def write_snapshot(training: Training, outdir: Path, losses: dict[str, float]) -> None:
    """Write a sheet of samples at psi 0.7, always of the same z, and a line of losses."""
    rows, columns = SHEET
    z = torch.randn(rows * columns, training.config.z_dim, generator=torch.Generator().manual_seed(3))
    ws = training.average.map(z.to(training.device), truncation_psi=0.7)
    images = render(training.average, ws.reshape(rows, columns, *ws.shape[1:]))
    image_grid(images).save(outdir / f"samples-{training.num_images:07d}.png")
    progress = {"num_images": training.num_images, "learning_rate": training.settings.learning_rate}
    line = {**progress, "time": round(time.time()), **losses}
    with (outdir / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")
