"""Run notebooks and store what they show: python docs/making/notebooks.py [NOTEBOOKS]

Sliders are left out of what is stored: they need a kernel, the picture below them does not.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parents[2] / "notebooks"
SLIDERS = "application/vnd.jupyter.widget-view+json"


def run(path: Path) -> NotebookNode:
    """Run a notebook from top to bottom, in an empty folder."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}}).execute()
    return notebook


def drop_sliders(notebook: NotebookNode) -> None:
    """Leave out what is nothing without a kernel, and when cells ran."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if SLIDERS not in output.get("data", {})]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted(FOLDER.glob("*.ipynb")))
    for path in parser.parse_args().notebooks:
        notebook = run(path)
        drop_sliders(notebook)
        nbformat.write(notebook, path)
        print(path.name)
