"""Explanations as one HTML page that needs nothing else: pictures inside, no script, light and dark."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from PIL import Image

from latentedit.errors import InputError


@dataclass(frozen=True)
class Figure:
    """A picture of the page, as a file or in memory, with what stands under it and what is said instead of it."""

    picture: Path | Image.Image
    caption: str
    alt: str

    @property
    def source(self) -> str:
        """Write the picture as a data: address."""
        if isinstance(self.picture, Path):
            data = self.picture.read_bytes()
        else:
            buffer = io.BytesIO()
            self.picture.save(buffer, "PNG")
            data = buffer.getvalue()
        return "data:image/png;base64," + base64.b64encode(data).decode()


@dataclass(frozen=True)
class Table:
    """Rows of words under a header; the first column names the rows."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """A part of the page: a title, words, figures side by side, tables."""

    title: str
    text: str = ""
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = field(default_factory=tuple)


def write_page(path: Path, title: str, facts: Mapping[str, Any], sections: Sequence[Section]) -> None:
    """Write the page; `facts` stand at its top. Whatever the words hold, they are shown as they are."""
    try:
        import jinja2
    except ImportError as error:
        raise InputError("reports need `pip install 'latentedit[explain]'`") from error
    template = (resources.files("latentedit") / "assets" / "page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page = environment.from_string(template).render(title=title, facts=facts, sections=sections)
    path.write_text(page, encoding="utf-8")
