"""What the page is told: each answer a function of a visit and of what the page sent."""

from __future__ import annotations

import base64
import io
from importlib.util import find_spec
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from latentedit.direction import Direction
from latentedit.errors import InputError
from latentedit.explanation import attribute, overlay
from latentedit.explorer.reproduction import Photo, reproduce
from latentedit.explorer.setting import Setting, read_setting
from latentedit.explorer.upload import Upload
from latentedit.explorer.visits import Visit
from latentedit.explorer.workshop import Rating, Workshop
from latentedit.inversion import ProjectionSettings
from latentedit.pictures import enlarge, to_pil
from latentedit.vocabulary import Precision

Answer = dict[str, Any]
SHOWN_SIDE, THUMB_SIDE = 512, 192  # pixels: smaller faces are enlarged smoothly before a browser does so coarsely
QUALITY = 93
RANGE, STEP = 6.0, 0.1  # of a slider, in sigma
STRIP = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)
STALE: Answer = {"stale": True}


def describe(workshop: Workshop, visit: Visit, data: Any) -> Answer:
    """Say what there is to choose from."""
    directions = [
        {"name": name, "space": direction.space, "sigma": direction.sigma, "is_conditioned": _is_conditioned(direction)}
        for name, direction in workshop.directions.items()
    ]
    return {
        "visit": visit.name,
        "network": workshop.network,
        "resolution": workshop.config.img_resolution,
        "num_layers": workshop.config.num_ws,
        "licence": workshop.checkpoint.licence,
        "directions": directions,
        "range": RANGE,
        "step": STEP,
        "scorers": list(workshop.scorers),
        "explains": find_spec("captum") is not None,
    }


def _is_conditioned(direction: Direction) -> bool:
    return "parents" in direction.provenance


def face(workshop: Workshop, visit: Visit, data: Any) -> Answer:
    """Paint and rate the face, and before it was edited too where `both` is asked; in bf16 for a `preview`."""
    setting, number, is_preview = read_setting(data), _read_number(visit, data), data.get("preview") is True
    precision: Precision = "bf16" if is_preview else "fp32"
    settings = [setting, setting.scaled(0)] if data.get("both") is True else [setting]
    with workshop.turn:
        if visit.is_stale(number):
            return STALE
        images = [workshop.paint(workshop.move(one, visit.photo), precision) for one in settings]
        ratings = workshop.rate(setting.scorer, torch.cat(images))
    shown = [
        {"image": _encode(image[0], SHOWN_SIDE), **_tell(rating)} for image, rating in zip(images, ratings, strict=True)
    ]
    commands = [] if is_preview else reproduce(workshop, setting, photo_of(visit))
    return {"number": number, "after": shown[0], "before": shown[1] if len(shown) > 1 else None, "commands": commands}


def strip(workshop: Workshop, visit: Visit, data: Any) -> Answer:
    """Paint the face at seven alphas of one direction."""
    settings, alphas = sweep_settings(workshop, data)
    with workshop.turn:
        images = torch.cat([workshop.paint(workshop.move(one, visit.photo)) for one in settings])
        ratings = workshop.rate(settings[0].scorer, images)
    faces = zip(alphas, images, ratings, strict=True)
    return {"faces": [{"alpha": a, "image": _encode(image, THUMB_SIDE), **_tell(rating)} for a, image, rating in faces]}


def sweep_settings(workshop: Workshop, data: Any) -> tuple[list[Setting], tuple[float, ...]]:
    """Read which direction is to be swept: -> a setting for every alpha, and the alphas."""
    setting, name = read_setting(data), data.get("direction")
    if not isinstance(name, str):
        raise InputError("no direction to sweep along: add one")
    workshop.find_direction(name)
    return [setting.moved(name, alpha) for alpha in STRIP], STRIP


def explain(workshop: Workshop, visit: Visit, data: Any) -> Answer:
    """Paint where the edit's change of the score comes from, or without an edit the score itself."""
    setting = read_setting(data)
    scorer = workshop.open_scorer(setting.scorer)
    with workshop.turn:
        before, after = (workshop.paint(workshop.move(one, visit.photo)) for one in (setting.scaled(0), setting))
    found = attribute(scorer, after, baseline=before if setting.moves else "blurred")  # seconds, and no one waits
    return {"image": _encode(overlay(after, found.maps)[0], SHOWN_SIDE)}


def progress(workshop: Workshop, visit: Visit, data: Any) -> Answer:
    """Say how far the inversion of the visitor's photograph is."""
    upload = visit.upload
    if upload is None:
        raise InputError("no photograph is here: upload one")
    return {
        "number": upload.number,
        "name": upload.name,
        "state": upload.state,
        "share": upload.step / upload.settings.num_steps,
        "failure": upload.failure,
        "crop": None if upload.crop is None else _encode(upload.crop, THUMB_SIDE),
    }


def forget(workshop: Workshop, visit: Visit, data: Any) -> Answer:
    """Drop the visitor's photograph."""
    visit.replace_upload(None)
    return {}


def receive(
    workshop: Workshop, visit: Visit, name: str, content: bytes, is_aligned: bool, settings: ProjectionSettings
) -> Answer:
    """Take a photograph and begin with it."""
    visit.replace_upload(Upload(workshop, name, content, is_aligned, settings))
    return progress(workshop, visit, None)


def _read_number(visit: Visit, data: Any) -> int:
    """Read the request's number, and remember the newest."""
    number = data.get("number")
    if type(number) is not int or number < 0:
        raise InputError("number: give a whole number that grows")
    visit.newest = max(visit.newest, number)
    return number


def photo_of(visit: Visit) -> Photo | None:
    upload = visit.upload
    return None if upload is None else Photo(upload.name, upload.is_aligned, upload.settings.num_steps)


def _tell(rating: Rating) -> Answer:
    return {
        "name": rating.name,
        "score": rating.score,
        "interval": rating.interval,
        "range": rating.range,
        "others": rating.others,
    }


def _encode(image: Tensor, side: int) -> str:
    """Write a face [3, H, W] as the address that an <img> takes."""
    picture = to_pil(image)
    if picture.width < side:
        picture = enlarge(picture, side)
    elif side == THUMB_SIDE:
        picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
