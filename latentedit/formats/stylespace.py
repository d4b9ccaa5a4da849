"""StyleSpace's notation for one channel, LAYER_CHANNEL such as `9_409`, in NVIDIA's names."""

from __future__ import annotations

import re

from latentedit.errors import InputError


def parse_channel(text: str) -> tuple[str, int] | None:
    """Read `9_409` as ("b32.conv1", 409), and None from what is no such notation.

    The layers are counted in the order of synthesis with the toRGB ones: two at 4 x 4, three at each resolution above.
    Source: Wu et al. 2021, "StyleSpace analysis".
    """
    match = re.fullmatch(r"(\d{1,2})_(\d{1,4})", text, re.ASCII)
    if match is None:
        return None
    block, part = divmod(int(match[1]) + 1, 3)  # as if 4 x 4 had a conv0 too
    if block > 8:
        raise InputError(f"channel {text!r}: StyleSpace counts 26 layers at 1024 px, 0-25")
    return f"b{4 << block}.{('conv0', 'conv1', 'torgb')[part]}", int(match[2])
