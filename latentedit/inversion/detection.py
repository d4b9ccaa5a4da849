"""Faces in a photograph: boxes and five landmarks by YuNet (Wu, Peng & Yu 2023), run by ONNX Runtime, or MTCNN."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from latentedit.downloads import find_item, obtain
from latentedit.errors import InputError, damaged
from latentedit.files import require_regular
from latentedit.inversion.faces import Face as Face
from latentedit.inversion.mtcnn import load_mtcnn
from latentedit.inversion.overlap import suppress
from latentedit.photographs import to_picture

Floats = NDArray[np.float32]
SIDE = 640  # pixels: a photograph is shrunk to this for the first look, never enlarged
OTHER_SIDES = (1280, 2560, 320)  # where it shows no face: for tiny ones, then for one that fills the picture
STRIDES = (8, 16, 32)  # pixels from one place of the network's grids to the next
LOWEST_SCORE = 0.7
MOST_OVERLAP = 0.3  # of two boxes, intersection over union
LARGEST_MODEL = 2**26  # bytes

Detector = Callable[[Image.Image], list[Face]]


def load_detector(path: str | Path | None = None) -> Detector:
    """Load YuNet from a file, or LATENTEDIT_YUNET, or as `latentedit models get yunet` does: -> image to its faces.

    `mtcnn` loads MTCNN instead, from the installed package facenet-pytorch. YuNet's landmarks hold to about 2 % of
    the face's crop: it places them otherwise at another size.
    """
    chosen = path or os.environ.get("LATENTEDIT_YUNET")
    if str(chosen) == "mtcnn":
        return load_mtcnn()
    item = find_item("yunet", "detector")
    if chosen is None and item is None:
        raise InputError("no detector: name one with --detector")
    return _open_detector(Path(chosen) if chosen else obtain(item))  # type: ignore[arg-type]


@cache
def _open_detector(path: Path) -> Detector:
    """Open a model whose outputs are YuNet's."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise InputError("finding faces needs onnxruntime: pip install 'latentedit[faces]', or --landmarks") from None
    if not path.is_file():
        require_regular(path)
        raise InputError(f"{path} is no file: name YuNet's .onnx, or leave it out to download it")
    if path.stat().st_size > LARGEST_MODEL:
        raise InputError(f"{path} has more than {LARGEST_MODEL >> 20} MiB: YuNet's .onnx has 0.3")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    with damaged(f"{path} is no face detector that onnxruntime can run: give yunet_n_dynamic.onnx"):
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        expected = {f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES}
        if {output.name for output in session.get_outputs()} != expected or len(session.get_inputs()) != 1:
            raise ValueError("other outputs than YuNet's")
        session.run(None, {session.get_inputs()[0].name: np.zeros((1, 3, 32, 64), np.float32)})
    return lambda image: _look(session, image)


def find_faces(photograph: Tensor, detector: Detector) -> list[Face]:
    """Find the faces of a photograph, the largest first: uint8 [3, H, W] -> list, empty where there is none.

    It looks at 640 pixels with the photograph turned by every right angle and takes the turn with
    the surest face, because YuNet sees faces that lie on their side too, but upright. Where it finds
    none, it looks at other sizes.
    """
    picture = to_picture(photograph)
    views = [_find_in(picture, SIDE, quarters, detector) for quarters in range(4)]
    faces = max(views, key=_sureness)  # the first of equals: upright
    for side in OTHER_SIDES:
        if not faces and (side < SIDE or max(picture.size) > side / 2):
            faces = _find_in(picture, side, 0, detector)
    return sorted(faces, key=lambda face: -face.box[2] * face.box[3])


def _sureness(faces: list[Face]) -> float:
    """Compare views by their surest face, in steps of .04."""
    return round(25 * max((face.score for face in faces), default=0.0))


def _find_in(picture: Image.Image, side: int, quarters: int, detector: Detector) -> list[Face]:
    """Look at a photograph of this longest side, turned by quarters to the left."""
    scale = min(1.0, side / max(picture.size))
    faces = detector(_view(picture, scale, quarters))
    return [_turn_back(face, quarters, scale, picture.size) for face in faces]


def _view(picture: Image.Image, scale: float, quarters: int) -> Image.Image:
    """Shrink and turn a photograph."""
    if scale < 1:
        width, height = (max(1, round(length * scale)) for length in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)
    return picture.rotate(90 * quarters, expand=True) if quarters else picture


def _turn_back(face: Face, quarters: int, scale: float, size: tuple[int, int]) -> Face:
    """Carry a face from a view back to the photograph of this width and height."""
    left, top, width, height = face.box
    points = torch.cat([face.landmarks, torch.tensor([[left, top], [left + width, top + height]])]) / scale
    for turn in range(quarters, 0, -1):
        span = size[0] if turn % 2 else size[1]  # the width before the turn to the left is the height after it
        points = torch.stack([span - points[:, 1], points[:, 0]], dim=1)
    low, high = points[5:].amin(dim=0).tolist(), points[5:].amax(dim=0).tolist()
    return Face((low[0], low[1], high[0] - low[0], high[1] - low[1]), points[:5], face.score)


def _look(session: Any, image: Image.Image) -> list[Face]:
    """Run the network on one image and keep the best of faces that overlap."""
    width, height = image.size
    padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
    padded[:height, :width] = np.asarray(image)[:, :, ::-1]  # BGR, 0 to 255
    names = [output.name for output in session.get_outputs()]
    outputs = session.run(None, {session.get_inputs()[0].name: padded.transpose(2, 0, 1)[None]})
    maps = dict(zip(names, outputs, strict=True))
    found = np.concatenate([_decode(maps, stride, padded.shape[1] // stride) for stride in STRIDES])
    boxes, scores = torch.from_numpy(found[:, :4]), torch.from_numpy(found[:, -1])
    kept = suppress(torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1), scores, MOST_OVERLAP)
    return [_to_face(row) for row in found[kept.numpy()]]


def _decode(maps: dict[str, Floats], stride: int, columns: int) -> Floats:
    """Decode one grid: -> rows of left, top, width, height, ten coordinates of landmarks and the score."""
    cls, obj, bbox, kps = (maps[f"{kind}_{stride}"][0] for kind in ("cls", "obj", "bbox", "kps"))
    score = np.sqrt(cls[:, 0].clip(0, 1) * obj[:, 0].clip(0, 1))
    (kept,) = np.nonzero(score > LOWEST_SCORE)
    places = np.stack([kept % columns, kept // columns], axis=1)
    spans = np.exp(bbox[kept, 2:]) * stride
    corners = (places + bbox[kept, :2]) * stride - spans / 2
    points = (np.tile(places, 5) + kps[kept]) * stride
    rows: Floats = np.concatenate([corners, spans, points, score[kept, None]], axis=1).astype(np.float32)
    return rows


def _to_face(row: Floats) -> Face:
    left, top, width, height = row[:4].tolist()
    return Face((left, top, width, height), torch.from_numpy(row[4:14].reshape(5, 2).copy()), float(row[-1]))
