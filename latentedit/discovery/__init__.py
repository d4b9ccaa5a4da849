"""Finding directions: one method a file."""

from latentedit.discovery.discover import METHODS as METHODS
from latentedit.discovery.discover import calibrate as calibrate
from latentedit.discovery.discover import discover as discover
