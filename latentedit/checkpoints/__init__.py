"""Weight files: load a generator of any known format, save it in ours, tell which generator it is."""

from latentedit.checkpoints.checkpoint import Checkpoint as Checkpoint
from latentedit.checkpoints.conversion import TARGETS as TARGETS
from latentedit.checkpoints.conversion import convert as convert
from latentedit.checkpoints.conversion import guess_target as guess_target
from latentedit.checkpoints.identity import fingerprint as fingerprint
from latentedit.checkpoints.loading import load_generator_file as load_generator_file
from latentedit.checkpoints.native import save_generator as save_generator
from latentedit.checkpoints.records import load_header as load_header
from latentedit.checkpoints.records import load_record as load_record
from latentedit.checkpoints.records import save_record as save_record
from latentedit.checkpoints.zoo import load_checkpoint as load_checkpoint
from latentedit.checkpoints.zoo import load_generator as load_generator
