"""Every notebook runs from top to bottom, and is stored with what it shows, in the order of its cells."""

from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SLIDERS = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def kernel():
    """One kernel for all, since loading torch takes longer than many a cell; every notebook empties its namespace."""
    manager, client = start_new_kernel(kernel_name="python3")
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def list_pictures(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output["data"] for output in outputs if "image/png" in output.get("data", {})]


@pytest.mark.filterwarnings("default")  # those of the notebook's own machinery are not ours
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path, kernel, home, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    place = f"import os; os.environ['LATENTEDIT_HOME'] = {str(home)!r}; os.chdir({str(tmp_path)!r})"
    kernel[1].execute_interactive(f"{place}\n%reset -f", timeout=60)
    client = NotebookClient(notebook, timeout=300, km=kernel[0])
    client.kc = kernel[1]
    client.execute()
    assert list_pictures(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_as_it_is_read(path):
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    assert list_pictures(notebook)
    assert not [output for cell in cells for output in cell.outputs if SLIDERS in output.get("data", {})]
