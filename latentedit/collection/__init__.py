"""The bundled directions of a generator: how each is found, conditioned, measured, written down and shown."""

from latentedit.collection.building import build_collection as build_collection
from latentedit.collection.building import rate_unedited as rate_unedited
from latentedit.collection.cards import write_cards as write_cards
from latentedit.collection.recipes import CONDITIONED as CONDITIONED
from latentedit.collection.recipes import FOUND as FOUND
from latentedit.collection.recipes import HELD_OUT_SEEDS as HELD_OUT_SEEDS
from latentedit.collection.recipes import NAMES as NAMES
from latentedit.collection.recipes import SHOWN as SHOWN
from latentedit.collection.recipes import STEADIED as STEADIED
from latentedit.collection.recipes import TRUNCATION_PSI as TRUNCATION_PSI
