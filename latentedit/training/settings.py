"""How a generator is trained."""

from dataclasses import dataclass

AUGMENTATIONS = ("diff", "ada", "none")


@dataclass(frozen=True)
class Settings:
    """How a generator is trained; the defaults suit a few thousand faces at 64 px on a CPU."""

    batch: int = 16
    learning_rate: float = 0.0025
    r1_gamma: float = 0.1
    r1_interval: int = 16  # lazy regularisation: every so many steps
    ema_images: int = 10_000  # half-life of the averaged weights
    ema_rampup: float = 0.05
    style_mixing: float = 0.5
    precision: str = "bf16"
    seed: int = 0
    augment: str = "diff"  # one of AUGMENTATIONS
    ada_target: float = 0.6  # of E[sign(D(real))]
    ada_images: int = 500_000  # that take p from 0 to 1
    ada_start: float = 0.0  # p of the first image
    path_weight: float = 0.0  # of path-length regularisation; 2 on a GPU
    path_interval: int = 8
    anchor: float = 0.0  # weight of rebuilding the training faces beside the critic's judgement
