"""Photographs to latents and back: alignment, projection, tuning of the generator around them, pasting."""
