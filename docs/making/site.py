"""What mkdocs adds to the pages of docs/: the reference from docstrings, the cards, the notebooks as they stand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[2]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is generated, before mkdocs reads the navigation."""
    for path, content in [("reference.md", write_reference()), *write_cards(), *convert_notebooks()]:
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Let links to cards and notebooks in the repository lead to their pages."""
    markdown = re.sub(r"\]\(\.\./((?:\.\./)*)latentedit/assets/(\w+\.md)", r"](\1cards/\2", markdown)
    return re.sub(r"\]\(\.\./((?:\.\./)*)notebooks/(\w+)\.ipynb", r"](\1notebooks/\2.md", markdown)


def write_reference() -> str:
    """List every public name below the module that it comes from, for mkdocstrings to fill in."""
    stub = ast.parse((ROOT / "latentedit" / "__init__.pyi").read_text())
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    page = ["# Reference", "`import latentedit as le`: every name, below the module that it comes from."]
    for module, nodes in groupby(imports, key=lambda node: node.module):
        page.append(f"## {module}\n\n{_first_sentence(module)}")
        page += [f"::: latentedit.{module}.{node.names[0].name}" for node in nodes]
    return "\n\n".join(page) + "\n"


def _first_sentence(module: str) -> str:
    """Take the first line of a module's docstring."""
    file = ROOT / "latentedit" / f"{module}.py"
    tree = ast.parse((file if file.exists() else ROOT / "latentedit" / module / "__init__.py").read_text())
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def write_cards() -> Iterator[tuple[str, str]]:
    """Bring the cards beside the bundled weights, with their links as seen from cards/."""
    for card in sorted((ROOT / "latentedit" / "assets").glob("*.md")):
        yield f"cards/{card.name}", card.read_text().replace("../../docs/", "../")


def convert_notebooks() -> Iterator[tuple[str, str | bytes]]:
    """Turn every notebook into a page, its stored pictures beside it."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        resources = {"output_files_dir": path.stem, "unique_key": "picture"}
        body, made = MarkdownExporter().from_notebook_node(nbformat.read(path, as_version=4), resources)
        body = re.sub(r"!\[\w+\]", "![what the cell above shows]", body).replace("](../docs/", "](../")
        yield f"notebooks/{path.stem}.md", re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", body)
        yield from ((f"notebooks/{name}", content) for name, content in made["outputs"].items())
