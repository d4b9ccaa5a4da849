"""Descriptions of faces in words: from a table, or from a program or a server that looks at the pictures."""

from __future__ import annotations

import base64
import csv
import json
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from latentedit.downloads.expectation import sha256_of
from latentedit.errors import InputError, about, one_line
from latentedit.files import replacing, require_regular

PROMPT = (  # of Shahhosseini's system, whose faces lay in ovals
    "Describe the face you are seeing in one paragraph and ignore the oval shape. "
    "Please provide as much detail as you can."
)
TIMEOUT = 600  # seconds for one picture
LARGEST = 2**20  # bytes of an answer
Describe = Callable[[Path], str]


def clean(text: str) -> str:
    """Keep letters, digits, full stops and question marks, with single spaces between: as the published captions."""
    return " ".join(re.sub(r"[^a-zA-Z0-9 .?]", " ", text).split())


def read_captions(path: Path) -> dict[str, str]:
    """Read a CSV with the columns image and caption: -> captions by image."""
    require_regular(path)
    with about(path), path.open(newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        if missing := {"image", "caption"} - set(table.fieldnames or []):
            raise InputError(f"has no column {min(missing)}: name the columns image and caption")
        return {row["image"]: clean(row["caption"] or "") for row in table}


@dataclass(frozen=True)
class Table:
    """Captions of a table, by the picture's path as it is written there, or by its name."""

    captions: dict[str, str]

    def __call__(self, image: Path) -> str:
        for key in (str(image), image.name, image.stem):
            if key in self.captions:
                return self.captions[key]
        raise InputError(f"{image} has no caption in the table: add a row for it")


@dataclass(frozen=True)
class Program:
    """Captions that a program prints: `command` is split as a shell would, and `{image}` in it becomes the path.

    Without `{image}` the path comes last. No shell runs, so a file's name can't do harm.
    """

    command: str

    def __call__(self, image: Path) -> str:
        words = shlex.split(self.command)
        given = [word.replace("{image}", str(image.resolve())) for word in words]
        given += [] if "{image}" in self.command else [str(image.resolve())]
        try:
            done = subprocess.run(given, capture_output=True, text=True, timeout=TIMEOUT)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f"{self.command}: {one_line(error)}") from error
        if done.returncode:
            raise InputError(f"{self.command}: ended with {done.returncode}: {one_line(done.stderr[-300:])}")
        return _require_words(self.command, done.stdout)


@dataclass(frozen=True)
class Server:
    """Captions of a server with Ollama's interface, such as http://localhost:11434, at temperature 0."""

    url: str
    model: str = "llama3.2-vision"
    prompt: str = PROMPT

    def __call__(self, image: Path) -> str:
        import requests

        picture = base64.b64encode(image.read_bytes()).decode()
        asked = {"model": self.model, "prompt": self.prompt, "images": [picture], "stream": False}
        try:
            answer = requests.post(
                f"{self.url.rstrip('/')}/api/generate", json={**asked, "options": {"temperature": 0}}, timeout=TIMEOUT
            )
            answer.raise_for_status()
            text = answer.json()["response"]
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.url}: gave no caption ({one_line(error)}): is {self.model} running there?"
            ) from error
        return _require_words(self.url, str(text))


class Cache:
    """Captions that are asked for once: kept in a JSON file by the picture's content and what was asked."""

    def __init__(self, path: Path, describe: Describe) -> None:
        self.path, self.describe = path, describe
        with about(path):
            try:
                self.captions: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            except ValueError as error:
                raise InputError("is no JSON of captions: delete it or name another file") from error

    def __call__(self, image: Path) -> str:
        with about(image):
            key = f"{sha256_of(image)} {self.describe}"
        if key not in self.captions:
            self.captions[key] = self.describe(image)
            with about(self.path), replacing(self.path) as temporary:
                temporary.write_text(json.dumps(self.captions, indent=0), encoding="utf-8")
        return self.captions[key]


def _require_words(source: str, text: str) -> str:
    caption = clean(text[:LARGEST])
    if not caption:
        raise InputError(f"{source}: gave no words: check it on one picture by hand")
    return caption
