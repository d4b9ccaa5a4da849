"""The explorer: a page on this machine that edits a face while sliders are dragged."""

from latentedit.explorer.server import PageServer as PageServer
from latentedit.explorer.workshop import Workshop as Workshop
