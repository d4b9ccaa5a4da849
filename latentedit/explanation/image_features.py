"""What can be measured in any image by plain means: colour, texture, clutter, symmetry, sharpness, by scikit-image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from latentedit.errors import InputError
from latentedit.pictures import to_pixels

Pixels = NDArray[np.uint8]
Model = Callable[[Pixels], Mapping[str, float]]
ANGLES = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)  # of neighbours one pixel apart
TEXTURE = ("contrast", "energy", "entropy", "homogeneity")


def measure_image(
    image: Tensor, landmarks: Tensor | None = None, models: Mapping[str, Model] | None = None
) -> dict[str, float]:
    """Measure an image [3, H, W] in [-1, 1]: -> features by name, each one number.

    Landmarks [5, 2] (eyes, nose, corners of the mouth, in pixels) add the geometry of the face. Your own models, such
    as detectors of objects, get uint8 [H, W, 3] and add what they return under their names.
    """
    pixels, library = to_pixels(image), _skimage()
    grey = library.color.rgb2gray(pixels)
    found = {
        **measure_colour(pixels, library),
        **measure_texture(grey, library),
        **measure_clutter(grey, library),
        "symmetry": measure_symmetry(grey),
        "sharpness": float(library.filters.laplace(grey).var()),
        "blur": float(library.measure.blur_effect(grey)),
        **(measure_geometry(landmarks) if landmarks is not None else {}),
    }
    for name, model in (models or {}).items():
        found |= {f"{name} {key}": float(value) for key, value in model(pixels).items()}
    return found


def measure_colour(pixels: Pixels, library: Any) -> dict[str, float]:
    """Measure lightness and colour in CIELAB and HSV, and their entropies in bits."""
    lab, hsv = library.color.rgb2lab(pixels), library.color.rgb2hsv(pixels)
    means = {name: float(lab[..., i].mean()) for i, name in enumerate(("lightness", "green to red", "blue to yellow"))}
    return {
        **means,
        "contrast": float(lab[..., 0].std()),
        "colourfulness": float(np.hypot(lab[..., 1], lab[..., 2]).mean()),
        "saturation": float(hsv[..., 1].mean()),
        "colour entropy": _joint_entropy(lab.round()),
        "entropy": float(library.measure.shannon_entropy(library.util.img_as_ubyte(library.color.rgb2gray(pixels)))),
    }


def _joint_entropy(colours: NDArray[np.float64]) -> float:
    """Measure how evenly an image uses whole colours, in bits: [H, W, 3]."""
    counts = np.unique(colours.reshape(-1, 3), axis=0, return_counts=True)[1] / colours[..., 0].size
    return float(-(counts * np.log2(counts)).sum() + 0.0)


def measure_texture(grey: NDArray[np.float64], library: Any) -> dict[str, float]:
    """Measure the co-occurrence of 256 greys in neighbours of four directions (Haralick et al. 1973), their mean."""
    levels = library.util.img_as_ubyte(grey)
    together = library.feature.graycomatrix(levels, [1], ANGLES, levels=256, symmetric=True, normed=True)
    return {f"texture {name}": float(library.feature.graycoprops(together, name).mean()) for name in TEXTURE}


def measure_clutter(grey: NDArray[np.float64], library: Any) -> dict[str, float]:
    """Measure edges: the share of pixels on Canny's, the mean of Sobel's and the entropy of their 256 levels."""
    edges = library.filters.sobel(grey)
    return {
        "edge density": float(library.feature.canny(grey, sigma=1.0).mean()),
        "edge strength": float(edges.mean()),
        "edge entropy": float(library.measure.shannon_entropy((edges.clip(0, 1) * 255).round())),
    }


def measure_symmetry(grey: NDArray[np.float64]) -> float:
    """Correlate an image with its mirror image: 1 for equal halves, and for an image of one grey."""
    centred = grey - grey.mean()
    size = float((centred**2).sum())
    return float((centred * centred[:, ::-1]).sum() / size) if size > 1e-12 else 1.0


def measure_geometry(landmarks: Tensor) -> dict[str, float]:
    """Measure a face by five landmarks: proportions, and its roll in degrees."""
    left, right, nose, mouth_left, mouth_right = landmarks.double().numpy()
    eyes, mouth, across = (left + right) / 2, (mouth_left + mouth_right) / 2, right - left
    height, width = np.linalg.norm(mouth - eyes), np.linalg.norm(across)
    return {
        "eyes apart": float(width / height),
        "mouth width": float(np.linalg.norm(mouth_right - mouth_left) / width),
        "nose height": float((nose - eyes) @ (mouth - eyes) / height**2),
        "roll": float(np.degrees(np.arctan2(across[1], across[0]))),
    }


def _skimage() -> Any:
    try:
        import skimage.color
        import skimage.feature
        import skimage.filters
        import skimage.measure
    except ImportError as error:
        raise InputError("features of images need `pip install 'latentedit[explain]'`") from error
    return skimage
