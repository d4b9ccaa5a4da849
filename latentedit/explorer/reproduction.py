"""The commands of a shell that make what the page shows."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from latentedit.explorer.setting import Setting
from latentedit.explorer.workshop import Workshop
from latentedit.inversion import ProjectionSettings

ORDER = {"z": 0, "w": 1, "w+": 1, "s": 2}  # in which `Workshop.move` goes through the spaces


@dataclass(frozen=True)
class Photo:
    """The file that a visitor uploaded."""

    name: str
    is_aligned: bool
    num_steps: int  # of its inversion


def reproduce(workshop: Workshop, setting: Setting, photo: Photo | None = None) -> list[str]:
    """Write the commands, one a line, that end in the picture of a setting: the last folder holds it."""
    network = [] if workshop.network == "faces" else ["--network", workshop.network]
    category = [] if workshop.class_index is None else ["--class", str(workshop.class_index)]
    lines, start = [], ["--seeds", str(setting.seed), "--trunc", f"{setting.psi:g}", *category]
    if setting.from_photo and photo is not None:
        aligned = ["--aligned"] if photo.is_aligned else []
        steps = [] if photo.num_steps == ProjectionSettings.num_steps else ["--steps", str(photo.num_steps)]
        lines.append(["invert", photo.name, *aligned, *steps, *network, *category, "--out", "photo"])
        start = ["--latents", f"photo/{Path(photo.name).stem}.npz"]
    moves = sorted(setting.moves, key=lambda move: ORDER[workshop.find_direction(move[0]).space])
    for i, (name, alpha) in enumerate(moves or [(next(iter(workshop.directions), "0_0"), 0.0)], start=1):
        others = [other for other in setting.keep if other != name]
        if others:
            kept = f"{name}_keeping_{'_'.join(others)}"
            lines.append(["condition", name, "--without", *others, "--name", kept, *network, *category])
        words = ["--direction", kept if others else name, "--alpha", repr(alpha), "--unit", "sigma"]
        layers = [] if setting.layers == "all" else ["--layers", setting.layers]
        folder = f"step{i}" if i < len(moves) else "out"
        lines.append(["apply", *words, *layers, *start, "--scorer", setting.scorer, *network, "--out", folder])
        start = ["--latents", f"{folder}/latents.npz"]
    return [shlex.join(["latentedit", *words]) for words in lines]
