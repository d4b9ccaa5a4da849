"""The files that a visitor can save."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from latentedit.errors import InputError
from latentedit.explorer.answers import photo_of, sweep_settings
from latentedit.explorer.reproduction import reproduce
from latentedit.explorer.setting import read_setting
from latentedit.explorer.visits import Visit
from latentedit.explorer.workshop import Workshop
from latentedit.latents import save_latents, save_styles
from latentedit.pictures import image_grid, to_pil
from latentedit.video import Stage, ease, ping_pong, write_video

FPS, NUM_FRAMES = 25, 38  # there, and as many back


def save_image(workshop: Workshop, visit: Visit, data: Any) -> bytes:
    """Write the face as PNG, in the generator's own resolution."""
    with workshop.turn:
        image = workshop.paint(workshop.move(read_setting(data), visit.photo))[0]
    return _png(to_pil(image))


def save_strip(workshop: Workshop, visit: Visit, data: Any) -> bytes:
    """Write the sweep as PNG, with alphas and scores."""
    settings, alphas = sweep_settings(workshop, data)
    with workshop.turn:
        images = torch.cat([workshop.paint(workshop.move(one, visit.photo)) for one in settings])
        ratings = workshop.rate(settings[0].scorer, images)
    labels = [f"{alpha:+g}" if alpha else "0" for alpha in alphas]
    title = f"{data['direction']}, alpha in sigma, scored by {ratings[0].name}"
    return _png(image_grid(images[None], [[f"{rating.score:.1f}" for rating in ratings]], labels, None, title))


def save_video(workshop: Workshop, visit: Visit, data: Any) -> bytes:
    """Write the way from the face before to the edited one and back, as a film in WebP."""
    setting = read_setting(data)
    stage = Stage.around(1, workshop.config.img_resolution)

    def shoot(share: float) -> Image.Image:
        at = setting.scaled(share)
        with workshop.turn:  # for every frame, so that others are not kept waiting
            images = workshop.paint(workshop.move(at, visit.photo))
            rating = workshop.rate(setting.scorer, images)[0]
        words = ", ".join(f"{name} {alpha:+.1f}" for name, alpha in at.moves)
        return stage.draw(images, words, share, [("", f"{rating.name.rpartition(':')[2]} {rating.score:.1f}")])

    with tempfile.TemporaryDirectory(prefix="latentedit-") as folder:
        path = Path(folder) / "edit.webp"
        write_video(path, map(shoot, ping_pong(ease(NUM_FRAMES))), FPS)
        return path.read_bytes()


def save_latent(workshop: Workshop, visit: Visit, data: Any) -> bytes:
    """Write the edited latents as .npz, for `apply --latents`."""
    latents = workshop.move(read_setting(data), visit.photo)
    with tempfile.TemporaryDirectory(prefix="latentedit-") as folder:
        path = Path(folder) / "latent.npz"
        save = save_latents if latents.ndim == 3 else save_styles
        save(path, latents, fingerprint=workshop.checkpoint.fingerprint)
        return path.read_bytes()


def save_edit(workshop: Workshop, visit: Visit, data: Any) -> bytes:
    """Write the edit as JSON: the page opens it again, and a person reads what was done."""
    setting = read_setting(data)
    facts = {
        "latentedit": version("latentedit"),
        "network": workshop.network,
        "fingerprint": workshop.checkpoint.fingerprint,
        "seed": setting.seed,
        "psi": setting.psi,
        "from_photo": setting.from_photo,
        "alphas": dict(setting.alphas),
        "unit": "sigma",
        "keep": list(setting.keep),
        "layers": setting.layers,
        "scorer": setting.scorer,
        "commands": reproduce(workshop, setting, photo_of(visit)),
    }
    return (json.dumps(facts, indent=2) + "\n").encode()


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


Save = Callable[[Workshop, Visit, Any], bytes]
KEEPSAKES: dict[str, tuple[Save, str, str]] = {
    "image": (save_image, "face.png", "image/png"),
    "strip": (save_strip, "strip.png", "image/png"),
    "video": (save_video, "edit.webp", "image/webp"),
    "latent": (save_latent, "latent.npz", "application/octet-stream"),
    "edit": (save_edit, "edit.json", "application/json"),
}


def save(workshop: Workshop, visit: Visit, data: Any) -> tuple[bytes, str, str]:
    """Make the file that is asked for: -> its content, its name and its type."""
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind not in KEEPSAKES:
        raise InputError(f"kind {str(kind)[:40]!r}: choose one of {', '.join(KEEPSAKES)}")
    make, name, type = KEEPSAKES[kind]
    return make(workshop, visit, data), name, type
