"""What a third assessor measures in a face: the features of the ResNet-152 in the user's own package `resmem`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from latentedit.predictors.features import resize
from latentedit.predictors.resmem import load_resmem_resnet
from latentedit.predictors.resnet import ResNet


@dataclass(frozen=True)
class DeepConfig:
    """The features of a face as plain numbers."""

    input_size: int = 224  # every face is brought to this size first
    num_features: int = 2048

    def __post_init__(self) -> None:
        bounds = {
            "input_size": (32, 2**10),
            "num_features": (1, 2**16),
        }  # a file's settings must not exhaust the memory
        for name, (least, most) in bounds.items():
            if not isinstance(getattr(self, name), int) or not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is not within {least} and {most}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, fit for JSON."""
        return asdict(self)


class DeepFeatures(nn.Module):
    """Describe faces by a network that saw none of them: [N, 3, H, W] in [-1, 1] -> one block [N, num_features].

    It looks twice, at the face and at its mirror image, and returns the mean. The network stays where pip
    put it: it is no submodule, so that no file of ours takes it in. One look at a time: rounding does not
    depend on the batch that a face comes in. Raises InputError where the package `resmem` is missing.
    """

    kind = "deep"
    symmetric: ClassVar[bool] = True
    sparing: ClassVar[int] = 3

    def __init__(self, config: DeepConfig, network: ResNet | None = None) -> None:
        super().__init__()
        self.config = config
        self._borrowed = (network or load_resmem_resnet(),)  # a tuple hides it from state_dict

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DeepFeatures:
        """Make what a header describes, with the network of the package."""
        return cls(DeepConfig(**values))

    def forward(self, images: Tensor) -> list[Tensor]:
        return [(self._look(images) + self._look(images.flip(-1))) / 2]

    def _look(self, images: Tensor) -> Tensor:
        """Run the network: [N, 3, H, W] in [-1, 1] -> [N, num_features]."""
        network = self._borrowed[0].to(images.device)
        faces = torch.split(resize(images, self.config.input_size) / 2 + 0.5, 1)
        return torch.cat([network.pooled_features(face) for face in faces])
