"""Edit faces in the latent space of StyleGAN, and prove what the edit did.

>>> import latentedit as le
>>> G = le.load_generator()
>>> ws = le.sample(G, seeds=[0], truncation_psi=0.7)
>>> edited = le.edit(ws, le.load_direction("w_sq", G), alpha=3)
>>> le.image_grid(le.render(G, edited)).save("edited.png")  # doctest: +SKIP
"""

from latentedit.addresses import load_direction as load_direction
from latentedit.checkpoints import Checkpoint as Checkpoint
from latentedit.checkpoints import fingerprint as fingerprint
from latentedit.checkpoints import load_checkpoint as load_checkpoint
from latentedit.checkpoints import load_generator as load_generator
from latentedit.checkpoints import save_generator as save_generator
from latentedit.direction import Direction as Direction
from latentedit.direction import Space as Space
from latentedit.direction import cosine as cosine
from latentedit.discovery import Schedule as Schedule
from latentedit.discovery import calibrate as calibrate
from latentedit.discovery import discover as discover
from latentedit.discovery import discover_by_gradient as discover_by_gradient
from latentedit.discovery import factorize as factorize
from latentedit.discovery import find_components as find_components
from latentedit.discovery import hold_scores as hold_scores
from latentedit.discovery import keep_identity as keep_identity
from latentedit.discovery import learn_direction as learn_direction
from latentedit.discovery import rank_channels as rank_channels
from latentedit.discovery import stay_near as stay_near
from latentedit.editing import Sweep as Sweep
from latentedit.editing import convert_alpha as convert_alpha
from latentedit.editing import edit as edit
from latentedit.editing import sweep as sweep
from latentedit.errors import InputError as InputError
from latentedit.evaluation import Effect as Effect
from latentedit.evaluation import measure_effects as measure_effects
from latentedit.evaluation import rate_population as rate_population
from latentedit.latents import load_latents as load_latents
from latentedit.latents import load_styles as load_styles
from latentedit.latents import mix_styles as mix_styles
from latentedit.latents import sample as sample
from latentedit.latents import sample_z as sample_z
from latentedit.latents import save_latents as save_latents
from latentedit.latents import save_styles as save_styles
from latentedit.latents import to_styles as to_styles
from latentedit.latents import to_ws as to_ws
from latentedit.library import list_directions as list_directions
from latentedit.library import save_direction as save_direction
from latentedit.networks import Generator as Generator
from latentedit.networks import GeneratorConfig as GeneratorConfig
from latentedit.predictors import load_assessor as load_assessor
from latentedit.predictors import load_scorer as load_scorer
from latentedit.ranges import parse_layers as parse_layers
from latentedit.ranges import parse_seeds as parse_seeds
from latentedit.rendering import image_grid as image_grid
from latentedit.rendering import oval as oval
from latentedit.rendering import render as render
from latentedit.rendering import render_styles as render_styles
from latentedit.rendering import to_pil as to_pil
from latentedit.scoring import Scorer as Scorer
from latentedit.scoring import score as score
from latentedit.scoring import score_faces as score_faces
