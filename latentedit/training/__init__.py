"""The trainers of the networks that ship with the project."""
