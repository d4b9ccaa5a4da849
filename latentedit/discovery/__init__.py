"""Finding directions: one method a file."""

from latentedit.discovery.finding import METHODS as METHODS
from latentedit.discovery.finding import calibrate as calibrate
from latentedit.discovery.finding import discover as discover
from latentedit.discovery.finding import discover_by_gradient as discover_by_gradient
