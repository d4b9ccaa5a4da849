"""Why an image scores as it does: where in it, by which features, beside which neighbours."""

from latentedit.explanation.attribution import METHODS as METHODS
from latentedit.explanation.attribution import Attribution as Attribution
from latentedit.explanation.attribution import attribute as attribute
from latentedit.explanation.layers import Explained as Explained
from latentedit.explanation.layers import list_layers as list_layers
from latentedit.explanation.overlays import overlay as overlay
