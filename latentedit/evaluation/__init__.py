"""What an edit did: its effects, report cards at matched change, layers one by one."""

from latentedit.evaluation.card import Card as Card
from latentedit.evaluation.edits import Edit as Edit
from latentedit.evaluation.effects import ALPHAS as ALPHAS
from latentedit.evaluation.effects import Effect as Effect
from latentedit.evaluation.effects import measure_effects as measure_effects
from latentedit.evaluation.effects import rate_population as rate_population
from latentedit.evaluation.effects import summarise_effect as summarise_effect
from latentedit.evaluation.layers import LayerEffect as LayerEffect
from latentedit.evaluation.layers import analyse_layers as analyse_layers
from latentedit.evaluation.likeness import compare_identities as compare_identities
from latentedit.evaluation.likeness import load_distance as load_distance
from latentedit.evaluation.likeness import load_identity as load_identity
from latentedit.evaluation.measurement import Judge as Judge
from latentedit.evaluation.proof import evaluate as evaluate
from latentedit.evaluation.similarity import cosine_of as cosine_of
from latentedit.evaluation.similarity import ms_ssim as ms_ssim
