"""The networks that hold learned weights, under the names that checkpoints use."""

from latentedit.networks.config import GeneratorConfig as GeneratorConfig
from latentedit.networks.config import block_channels as block_channels
from latentedit.networks.stylegan2 import Generator as Generator
from latentedit.networks.stylegan2 import NoiseMode as NoiseMode
