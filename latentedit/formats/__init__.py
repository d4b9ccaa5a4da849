"""Direction files of other tools, one format a file: read as `Entry`s, written from `Direction`s."""

from latentedit.formats.entry import Entry as Entry
from latentedit.formats.entry import ForeignSpace as ForeignSpace
from latentedit.formats.registry import FORMATS as FORMATS
from latentedit.formats.registry import WRITERS as WRITERS
from latentedit.formats.registry import read_entries as read_entries
from latentedit.formats.registry import recognise as recognise
from latentedit.formats.stylespace import move_channels as move_channels
from latentedit.formats.stylespace import parse_channels as parse_channels
from latentedit.formats.stylespace import read_channels as read_channels
from latentedit.formats.writing import Owner as Owner
