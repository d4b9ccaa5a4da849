"""The networks that hold learned weights, under the names that checkpoints use."""

from latentedit.networks.config import MAX_TAPS as MAX_TAPS
from latentedit.networks.config import AnyConfig as AnyConfig
from latentedit.networks.config import GeneratorConfig as GeneratorConfig
from latentedit.networks.config import StyleGAN3Config as StyleGAN3Config
from latentedit.networks.config import StyleLayer as StyleLayer
from latentedit.networks.config import band_channels as band_channels
from latentedit.networks.config import block_channels as block_channels
from latentedit.networks.config import read_config as read_config
from latentedit.networks.generator import Generator as Generator
from latentedit.networks.synthesis import NoiseMode as NoiseMode
from latentedit.networks.synthesis import StyledNetwork as StyledNetwork
