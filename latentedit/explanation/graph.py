"""Rows by likeness beyond a million: a graph of neighbours, walked without looking at every row, by usearch."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from latentedit.errors import InputError, damaged
from latentedit.explanation.journal import Floats
from latentedit.files import replacing

BLOCK = 2**12  # rows added between two steps of the progress bar
WIDER = 32  # times as many candidates as wanted, from which exact cosines choose


def find_candidates(path: Path, rows: Floats, query: Floats, num: int, quiet: bool = True) -> NDArray[np.integer]:
    """Name rows [N, D] that are probably near to a query [D]: -> up to 32 * num numbers of rows.

    A hierarchical graph of small worlds (Malkov & Yashunin 2018) in the file `path`, which is made where it is missing
    and grows with the rows. Raises InputError without the extra `similar`.
    """
    with damaged(f"{path} is no graph: delete it, it is made anew"):
        graph = _open(path, rows, quiet)
        return np.asarray(graph.search(query, min(WIDER * num, len(rows))).keys, np.int64)


def _open(path: Path, rows: Floats, quiet: bool) -> Any:
    """Map the graph of a file into memory, with all rows in it."""
    library = _usearch()
    if path.exists() and len(graph := _map(path, path.stat().st_mtime_ns)) == len(rows):
        return graph
    graph = library.Index.restore(str(path)) if path.exists() else library.Index(ndim=rows.shape[1], metric="cos")
    for start in tqdm(range(len(graph), len(rows), BLOCK), desc="graph", unit="block", disable=quiet):
        part = rows[start : start + BLOCK]
        graph.add(np.arange(start, start + len(part)), part)
    with replacing(path) as temporary:
        graph.save(str(temporary))
    return graph


@lru_cache(maxsize=1)
def _map(path: Path, time: int) -> Any:
    """Map a graph as it was at a time, so that the next search finds it open."""
    return _usearch().Index.restore(str(path), view=True)


def _usearch() -> Any:
    try:
        import usearch.index
    except ImportError as error:
        raise InputError("an approximate search needs `pip install 'latentedit[similar]'`") from error
    return usearch.index
