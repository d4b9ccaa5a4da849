"""How far MTCNN's landmarks lie from YuNet's, for docs/photographs.md: `python tests/bench/detectors.py` prints it."""

from __future__ import annotations

from pathlib import Path

import torch

from latentedit.inversion.detection import find_faces, load_detector
from latentedit.photographs import list_images, load_photograph

SHARED = Path(__file__).parents[3] / "shared"


def main() -> None:
    """Find faces by both, and compare the largest."""
    mtcnn = load_detector("mtcnn")
    yunet = load_detector(SHARED / "reference" / "yunet" / "yunet_n_dynamic.onnx")
    photographs = [load_photograph(path) for path in list_images([SHARED / "data" / "photos"])]
    found = [(find_faces(photograph, mtcnn), find_faces(photograph, yunet)) for photograph in photographs]
    pairs = [(a[0].landmarks, b[0].landmarks) for a, b in found if a and b]
    shares = torch.stack([(a - b).norm(dim=1).mean() / (b[1] - b[0]).norm() for a, b in pairs])
    print(f"MTCNN finds a face in {sum(bool(a) for a, _ in found)} of {len(found)} photographs, YuNet in")
    print(f"{sum(bool(b) for _, b in found)}. Their landmarks lie apart by {shares.mean():.1%} of the eyes' distance,")
    print(f"mean over photographs, from {shares.min():.1%} to {shares.max():.1%}.")


if __name__ == "__main__":
    main()
