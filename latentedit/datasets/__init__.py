"""Rated images of the field: readers of each layout, checks, splits and crops. Nothing is downloaded."""

from latentedit.datasets.inspection import Inspection as Inspection
from latentedit.datasets.inspection import inspect_dataset as inspect_dataset
from latentedit.datasets.inspection import require_sound as require_sound
from latentedit.datasets.rated import Dataset as Dataset
from latentedit.datasets.rated import RatedImage as RatedImage
from latentedit.datasets.readers import LAYOUTS as LAYOUTS
from latentedit.datasets.readers import read_dataset as read_dataset
from latentedit.datasets.splits import SPLITS as SPLITS
from latentedit.datasets.splits import deal_folds as deal_folds
from latentedit.datasets.splits import deal_splits as deal_splits
