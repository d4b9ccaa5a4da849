"""Edit faces in the latent space of StyleGAN, and prove what the edit did.

>>> import latentedit as le
>>> G = le.load_generator()
>>> ws = le.sample(G, seeds=[0], truncation_psi=0.7)
>>> edited = le.edit(ws, le.load_direction("w_sq", G), alpha=3)
>>> le.image_grid(le.render(G, edited)).save("edited.png")  # doctest: +SKIP
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the names are in __init__.pyi
