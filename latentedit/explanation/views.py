"""Images and edits one after the other, each with its maps, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.explanation.attribution import attribute
from latentedit.explanation.differences import explain_edit
from latentedit.explanation.layers import Explained
from latentedit.scoresheet import Source
from latentedit.vocabulary import Baseline

CHUNK = 8  # images in memory at once


@dataclass(frozen=True)
class View:
    """What explains one image: pictures [3, H, W] by caption, the last under the overlays; scores, the last its own.

    `maps` [H, W] by name, and of some the error of their sum.
    """

    name: str
    pictures: Mapping[str, Tensor]
    scores: Sequence[float]
    maps: Mapping[str, Tensor]
    errors: Mapping[str, float] = field(default_factory=dict)

    @property
    def picture(self) -> Tensor:
        """The image that the maps are about: [3, H, W] in [-1, 1]."""
        return list(self.pictures.values())[-1]

    @property
    def size(self) -> tuple[int, int]:
        """Its height and width."""
        return self.picture.shape[1], self.picture.shape[2]


def view_images(
    explained: Explained,
    source: Source,
    methods: Sequence[str],
    baseline: Baseline | Tensor = "blurred",
    layer: str | None = None,
) -> Iterator[View | InputError]:
    """Explain the images of a source in their order, or say why one can't be had: 8 at a time in memory."""
    for start in range(0, len(source.names), CHUNK):
        rows = range(start, min(start + CHUNK, len(source.names)))
        loaded = source.load(rows, explained.framing)
        images = [image for image in loaded if isinstance(image, Tensor)]
        names = [source.names[row] for row, image in zip(rows, loaded, strict=True) if isinstance(image, Tensor)]
        views = _view_chunk(explained, names, images, methods, baseline, layer) if images else iter(())
        for image in loaded:
            yield image if isinstance(image, InputError) else next(views)


def _view_chunk(
    explained: Explained,
    names: list[str],
    images: list[Tensor],
    methods: Sequence[str],
    baseline: Baseline | Tensor,
    layer: str | None,
) -> Iterator[View]:
    """Explain images of one size."""
    found = [attribute(explained, torch.stack(images), method, baseline, layer) for method in methods]
    for i, (name, image) in enumerate(zip(names, images, strict=True)):
        maps = {one.method: one.maps[i] for one in found}
        errors = {one.method: float(one.completeness[i]) for one in found if one.completeness is not None}
        yield View(name, {"image": image}, [float(found[0].scores[i])], maps, errors)


def view_edits(
    explained: Explained,
    names: Sequence[str],
    render_pairs: Callable[[slice], Tensor],
    layer: str | None = None,
) -> Iterator[View]:
    """Explain edits in their order; `render_pairs` makes some of them, before and after: slice -> [n, 2, 3, H, W]."""
    for start in range(0, len(names), CHUNK):
        part = slice(start, start + CHUNK)
        pairs = render_pairs(part).cpu()
        found = explain_edit(explained, pairs[:, 0], pairs[:, 1], layer)
        for i, name in enumerate(names[part]):
            yield View(
                name,
                {"before": pairs[i, 0], "after": pairs[i, 1]},
                [float(found.before[i]), float(found.after[i])],
                {kind: maps[i] for kind, maps in found.maps().items()},
                {"attribution": float(found.completeness[i])},
            )
