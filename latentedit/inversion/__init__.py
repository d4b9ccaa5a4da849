"""Photographs to latents and back: alignment, projection, tuning of the generator around them, pasting."""

from latentedit.inversion.alignment import Alignment as Alignment
from latentedit.inversion.alignment import align as align
from latentedit.inversion.encoding import load_encoder as load_encoder
from latentedit.inversion.pasting import paste as paste
from latentedit.inversion.portraits import Portrait as Portrait
from latentedit.inversion.portraits import open_portraits as open_portraits
from latentedit.inversion.portraits import stack_crops as stack_crops
from latentedit.inversion.projection import Inversion as Inversion
from latentedit.inversion.projection import ProjectionSettings as ProjectionSettings
from latentedit.inversion.projection import project as project
from latentedit.inversion.tuning import TuningSettings as TuningSettings
from latentedit.inversion.tuning import apply_difference as apply_difference
from latentedit.inversion.tuning import load_tuned as load_tuned
from latentedit.inversion.tuning import tune as tune
