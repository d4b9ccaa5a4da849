"""The words that a user chooses from, apart from the modules that act on them: reading them loads nothing heavy."""

from typing import Literal, get_args

Unit = Literal["raw", "sigma", "flat"]
UNITS: tuple[Unit, ...] = get_args(Unit)

CheckpointFormat = Literal["latentedit", "nvidia-safetensors", "nvidia-pt", "rosinality-pt"]
CHECKPOINT_FORMATS: tuple[CheckpointFormat, ...] = get_args(CheckpointFormat)

DirectionFormat = Literal[
    "interfacegan", "stylegan2directions", "e4e", "ganspace", "ganspace-edit", "rosinality", "ganalyze", "stylespace"
]
DIRECTION_FORMATS: tuple[DirectionFormat, ...] = get_args(DirectionFormat)

BUNDLED = "faces"  # the generator that ships, and its encoder

ProjectionSpace = Literal["w", "w+", "s"]
PROJECTION_SPACES: tuple[ProjectionSpace, ...] = get_args(ProjectionSpace)

ProjectionLoss = Literal["multiscale", "lpips-squeeze", "lpips-alex", "lpips-vgg"]
PROJECTION_LOSSES: tuple[ProjectionLoss, ...] = get_args(ProjectionLoss)

PasteMode = Literal["face", "change"]
PASTE_MODES: tuple[PasteMode, ...] = get_args(PasteMode)

Baseline = Literal["black", "blurred", "mean"]  # what an attribution compares with
BASELINES: tuple[Baseline, ...] = get_args(Baseline)

Overlay = Literal["heat", "contour", "mask"]
OVERLAYS: tuple[Overlay, ...] = get_args(Overlay)

Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

SCENES = ("faces", "256", "256-batch", "256-sweep", "1024", "1024-batch", "1024-sweep")  # of a benchmark

Easing = Literal["linear", "ease-in", "ease-out", "ease-in-out"]
EASINGS: tuple[Easing, ...] = get_args(Easing)
