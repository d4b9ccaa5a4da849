"""Edit faces in the latent space of StyleGAN, and prove what the edit did.

>>> import latentedit as le
>>> G = le.load_generator()
>>> ws = le.sample(G, seeds=[0], truncation_psi=0.7)
>>> edited = le.edit(ws, le.load_direction("w_sq", G), alpha=3)
>>> le.image_grid(le.render(G, edited)).save("edited.png")  # doctest: +SKIP
"""

from typing import Any

import lazy_loader

from latentedit.garbage import collection_paused

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the names are in __init__.pyi


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    with collection_paused():
        return _load(name)
