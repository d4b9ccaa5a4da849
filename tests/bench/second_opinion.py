"""How far `patches` agrees with `omi`: python tests/bench/second_opinion.py

On the rated faces, the correlation of what the first regression of each predicts for a face left out; on
rendered faces (psi 0.7), of their ratings, and of what the bundled directions move according to either.
"""

import torch

from latentedit import collection, load_assessor, load_direction, load_generator, rate_population, sample
from latentedit.evaluation import measure_effects
from latentedit.statistics import spearman

SEEDS = range(3_000_000, 3_000_256)

G = load_generator()
omi, patches = load_assessor("omi"), load_assessor("patches")
ws = sample(G, SEEDS, 0.7)
with torch.no_grad():
    rated = [rate_population(G, assessor, ws).double().t().numpy() for assessor in (omi, patches)]
left_out = spearman(omi.supports.double().t().numpy(), patches.supports.double().t().numpy())
rendered = spearman(*rated)
for name in collection.SHOWN:
    i = omi.attributes.index(name)
    print(f"{name:12} left out {left_out[i]:.3f}  rendered {rendered[i]:.3f}")
print(f"{'all, mean':12} left out {left_out.mean():.3f}  rendered {rendered.mean():.3f}")

sd = collection.rate_unedited(G, patches, num_faces=256).sd()
held_out = sample(G, collection.HELD_OUT_SEEDS, 0.7)
for name, recipe in collection.FOUND.items():
    effect = measure_effects(G, patches, load_direction(name, G), held_out, sd)[recipe.attribute]
    print(name, recipe.attribute, f"{effect.shifts[0]:+.2f} / {effect.shifts[-1]:+.2f}", f"{effect.spearman:.2f}")
