"""How many of a generator's samples a face detector takes for faces."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from latentedit.inversion.detection import Detector
from latentedit.latents import sample
from latentedit.networks import Generator
from latentedit.pictures import to_pil
from latentedit.rendering import render

NUM_FACES = 64
TRUNCATION_PSI = 0.7
CERTAIN = 0.8  # the detector's score
SIDE, BORDER = 256, 32  # pixels: a detector expects some room around a face that fills the frame


def count_faces(generator: Generator, detector: Detector) -> int:
    """Count the faces, found with a score above .8, among seeds 0 to 63 at psi 0.7: -> 0 to 64."""
    images = render(generator, sample(generator, range(NUM_FACES), TRUNCATION_PSI))
    return sum(any(face.score > CERTAIN for face in detector(to_pil(frame))) for frame in give_room(images))


def give_room(images: Tensor) -> Tensor:
    """Bring faces to 256 px and mirror their borders outwards: [N, 3, H, W] -> [N, 3, 320, 320]."""
    enlarged = F.interpolate(images, size=(SIDE, SIDE), mode="bicubic", antialias=True).clamp(-1, 1)
    return F.pad(enlarged, (BORDER,) * 4, mode="reflect")
