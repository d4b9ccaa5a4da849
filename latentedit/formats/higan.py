"""HiGAN's boundaries: a pickled dictionary in an .npy, a row of W and the layers that it moves."""

from __future__ import annotations

from latentedit.arrays import to_tensor
from latentedit.errors import InputError
from latentedit.formats.entry import MOST_LAYERS, Entry
from latentedit.ranges import parse_layers


def read(content: object, stem: str) -> list[Entry]:
    """Read {'boundary': (1, w_dim), 'meta_data': {'type', 'manipulate_layers': '6-11'}}, the range inclusive."""
    match content:
        case {"boundary": boundary, "meta_data": dict() as notes}:
            row, text = to_tensor(boundary), notes.get("manipulate_layers", "all")
        case _:
            return []
    if row is None or row.numel() != row.shape[-1] or not isinstance(text, str):
        raise InputError("a HiGAN boundary without its row or its layers: damaged")
    layers = None if text in ("", "all") else parse_layers(text, MOST_LAYERS)
    facts = {key: value for key, value in notes.items() if isinstance(value, str | int)}
    return [Entry(stem.removesuffix("_boundary"), row.reshape(1, -1), layers, facts=facts)]
