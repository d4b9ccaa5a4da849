"""How well a predictor agrees with people: figures with intervals, ceilings, comparisons and cross-validation."""

from latentedit.agreement.card import Card as Card
from latentedit.agreement.card import Comparison as Comparison
from latentedit.agreement.card import compare as compare
from latentedit.agreement.card import judge as judge
from latentedit.agreement.ceiling import Responses as Responses
from latentedit.agreement.ceiling import human_ceiling as human_ceiling
from latentedit.agreement.ceiling import read_responses as read_responses
from latentedit.agreement.cross_validation import cross_validate as cross_validate
from latentedit.agreement.figures import FIGURES as FIGURES
