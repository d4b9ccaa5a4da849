"""How fast this machine renders, against its own rate of convolutions."""

from latentedit.benchmark.measuring import Settings as Settings
from latentedit.benchmark.measuring import run_benchmark as run_benchmark
