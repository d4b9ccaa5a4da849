"""The scores of any number of images: where the images come from, their rows, and the file they are written to."""

from latentedit.scoresheet.rows import Describe as Describe
from latentedit.scoresheet.rows import Row as Row
from latentedit.scoresheet.rows import choose_batch as choose_batch
from latentedit.scoresheet.rows import score_rows as score_rows
from latentedit.scoresheet.sheet import Sheet as Sheet
from latentedit.scoresheet.sources import Photographs as Photographs
from latentedit.scoresheet.sources import Renderings as Renderings
from latentedit.scoresheet.sources import Source as Source
from latentedit.scoresheet.sources import find_images as find_images
from latentedit.scoresheet.words import open_captions as open_captions
