"""The one exception for a user's mistakes."""


class InputError(ValueError):
    """A user's mistake: one line that repeats the input and says the mend."""
