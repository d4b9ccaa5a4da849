"""The one exception for what the user can mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_LINE = 1000  # characters


class InputError(ValueError):
    """A mistake in the user's input: one line that repeats the input and says the mend."""


class Notice(UserWarning):
    """What a user should know though nothing is wrong: the command line shows it as one line on stderr."""


@contextmanager
def about(subject: object) -> Iterator[None]:
    """Put the file or setting at fault in front of an InputError or OSError raised inside, as one InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{subject}: {error.strerror or one_line(error)}") from error
    except InputError as error:
        text = one_line(error)
        raise InputError(text if text.startswith(f"{subject}: ") else f"{subject}: {text}") from error


@contextmanager
def damaged(message: str) -> Iterator[None]:
    """Turn what a library raises on a damaged file, a dozen types, into one InputError."""
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:
        raise InputError(message) from error


def one_line(error: Exception | str) -> str:
    """Bring a message to one line fit for a terminal, whatever a file put into it."""
    text = printable(" ".join(str(error).split()))
    return text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]}..."


def printable(text: str) -> str:
    """Replace what a terminal would obey: files put line breaks and escape codes into names."""
    return "".join(char if char.isprintable() else "?" for char in text)
