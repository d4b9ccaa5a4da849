"""How far one picture of a face lies from another of the same face, by Gauss and Newton."""

import torch
import torch.nn.functional as F

FEATURES = torch.tensor([[98.0, 123], [158, 123], [128, 160], [103, 192], [153, 192]])  # of FFHQ's mean face, 256 px
STEP = 1e-3


def displacement(mine, reference, steps=12):
    """Register two crops uint8 [3, 256, 256] by an affine map: -> pixels that eyes, nose and mouth lie apart."""
    mine, reference = (F.avg_pool2d(image[None].float().mean(dim=1, keepdim=True), 4) for image in (mine, reference))
    theta = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    for _ in range(steps):
        base = _warp(mine, theta)
        columns = [(_warp(mine, theta + STEP * unit) - base).flatten() / STEP for unit in torch.eye(6).reshape(6, 2, 3)]
        theta = theta - torch.linalg.lstsq(torch.stack(columns, dim=1), (base - reference[..., 8:-8, 8:-8]).flatten())[
            0
        ].reshape(2, 3)
    points = torch.cat([FEATURES / 128 - 1, torch.ones(5, 1)], dim=1)
    return float((points @ theta.t() - points[:, :2]).norm(dim=1).max() * 128)


def _warp(image, theta):
    places = F.affine_grid(theta[None], list(image.shape), align_corners=False)
    return F.grid_sample(image, places, align_corners=False)[..., 8:-8, 8:-8]
