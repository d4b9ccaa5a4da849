"""How the field's predictors were trained, as data: a preset each for the scripts that were published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from latentedit.errors import InputError
from latentedit.predictors.attributes import suggest


@dataclass(frozen=True)
class Preset:
    """A predictor of PREDICTORS with its settings, and the training that it was published with.

    `as_published` of a predictor is a setting; what else the scripts did wrong is `published_mistakes`, for the record.
    """

    predictor: str
    settings: dict[str, Any] = field(default_factory=dict)
    loss: Literal["mae", "mse"] = "mae"
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    batch: int = 64
    epochs: int = 50
    flip: bool = False  # half of the training images are mirrored
    rotation: float = 0.0  # degrees, to either side at most
    plateau_factor: float = 0.5  # what the learning rate is multiplied by
    plateau_patience: int = 3  # epochs without a better validation loss before that
    clip_norm: float | None = None  # of the gradient
    stop_after: int | None = None  # epochs without improvement
    target: str = "corrected"  # hit rate less false alarm rate
    published_mistakes: tuple[str, ...] = ()


SCRIPT = (  # of the training scripts, all of which share them
    "the loss called Euclidean is the mean absolute error",
    "pixels came as RGB of 0 to 255, though the weights know centred BGR (as_published)",
    "the number of validation steps was that of the test set",
)
VGG = (*SCRIPT, "the regression read the 2622 people of fc8, not fc7 (as_published)")
MIRRORED = ("validation images were mirrored at random too",)


def _script(predictor: str, dropout: float, flip: bool, factor: float) -> Preset:
    mistakes = (*(VGG if "vgg" in predictor else SCRIPT), *(MIRRORED if flip else ()))
    return Preset(predictor, {"dropout": dropout}, flip=flip, plateau_factor=factor, published_mistakes=mistakes)


def _face_text(mode: str) -> Preset:
    """Shahhosseini's notebook, and its two halves alone, which it did not try."""
    return Preset(
        "face_text",
        {"mode": mode},
        optimizer="adamw",
        weight_decay=0.1,
        epochs=60,
        flip=True,
        rotation=15.0,
        plateau_factor=0.1,
        plateau_patience=10,
        clip_norm=1.0,
        published_mistakes=(
            "SENet-50 got RGB of 0 to 1, though its weights know centred BGR (as_published)",
            "padding was scored as words are (as_published)",
        ),
    )


FACE_TEXT = {"face_text": "both", "face_only": "image", "text_only": "text"}
PRESETS: dict[str, Preset] = {
    "vgg_hf_drop": _script("vgg16", 0.5, True, 0.5),
    "vgg_hf": _script("vgg16", 0.0, False, 0.5),
    "vggtrain": _script("vgg16", 0.0, False, 0.2),
    "res_hf_drop": _script("resnet50", 0.5, True, 0.5),
    "res_train_hf": _script("resnet50", 0.0, False, 0.5),
    "restrain": _script("resnet50", 0.0, True, 0.2),
    "sen_hf_drop": _script("senet50", 0.5, True, 0.5),
    "sentrain": _script("senet50", 0.0, True, 0.2),
    # No script of the fusions was published; they take the settings of the networks that they join.
    "resvgg": _script("resvgg", 0.5, True, 0.5),
    "senres": _script("senres", 0.5, True, 0.5),
    "senvgg": _script("senvgg", 0.5, True, 0.5),
    "senresvgg": _script("senresvgg", 0.5, True, 0.5),
    "visual_memory": Preset(  # Visual Memory AI, config.yaml
        "sigmoid_head",
        loss="mse",
        weight_decay=1e-5,
        batch=32,
        flip=True,
        plateau_patience=5,
        stop_after=10,
        published_mistakes=("each split's scores were scaled by its own least and largest",),
    ),
    **{name: _face_text(mode) for name, mode in FACE_TEXT.items()},
    # Of the autoencoder's authors nothing but the loss and the early stop is known, those of the network it replaced.
    "latent_mlp": Preset("latent_mlp", loss="mse", stop_after=5),
    "frozen_features": Preset("frozen_features", loss="mse", epochs=100),  # MemBench, of MemCoach 2026
}


def load_preset(name: str, as_published: bool = False) -> Preset:
    """Return a preset by name; `as_published` with the mistakes that change the network's input or features."""
    if name not in PRESETS:
        raise InputError(f"no preset is called {name!r}: {suggest(name, list(PRESETS))}")
    preset = PRESETS[name]
    return preset if not as_published else _with_mistakes(name, preset)


def _with_mistakes(name: str, preset: Preset) -> Preset:
    if not any("as_published" in mistake for mistake in preset.published_mistakes):
        raise InputError(f"--as-published: preset {name} has no mistake to repeat, leave it out")
    settings = {**preset.settings, "as_published": True}
    return Preset(**{**vars(preset), "settings": settings})
