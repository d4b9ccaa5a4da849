"""Populations: faces by the hundred thousand, their latents and scores in files that stay on disk."""

from latentedit.population.loading import Population as Population
from latentedit.population.loading import load_population as load_population
from latentedit.population.sampling import sample_population as sample_population
