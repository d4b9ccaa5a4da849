"""Edit faces in the latent space of StyleGAN, and prove what the edit did."""
