"""Tables of scores as they are published: CSV, lines of text, and spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from latentedit.errors import InputError, about, damaged
from latentedit.files import require_regular

Row = Mapping[str, str]
SIMPLE = str.maketrans("", "", " _-()")


def read_csv(path: Path) -> list[Row]:
    """Read a CSV with a first line of column names: -> a mapping a row."""
    require_regular(path)
    message = "is no table: it needs a first line of column names"
    with about(path), damaged(message), path.open(newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file, strict=True)
        rows: list[Row] = list(table)
        if not table.fieldnames or not rows:
            raise ValueError("empty")
        if any(None in row or None in row.values() for row in rows):
            raise InputError("has rows of more or fewer cells than its first line: mend them")
        return rows


def read_lines(path: Path) -> list[tuple[str, str]]:
    """Read lines such as `00004387.jpg 0.768`: -> pairs."""
    require_regular(path)
    with about(path):
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    pairs = [(number, line.replace(",", " ").rsplit(maxsplit=1)) for number, line in enumerate(lines, 1)]
    for number, cells in pairs:
        if len(cells) == 1:
            raise InputError(f"{path}, line {number}: give a file name and a score")
    return [(cells[0], cells[1]) for _, cells in pairs if cells]


def read_spreadsheet(path: Path) -> list[Row]:
    """Read the first sheet of an .xlsx, values only, its first row the column names: -> a mapping a row."""
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(f"{path}: an .xlsx needs openpyxl: pip install 'latentedit[datasets]'") from error
    require_regular(path)
    with about(path), damaged("can't be read as an .xlsx: fetch it again"):
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            header, *rows = book.worksheets[0].iter_rows(values_only=True)
        finally:
            book.close()
    names = [_write(cell) for cell in header]
    return [dict(zip(names, map(_write, row), strict=True)) for row in rows if row[0] is not None]


def _write(cell: object) -> str:
    return "" if cell is None else str(cell).strip()


def find_column(path: Path, rows: Iterable[Row], names: Iterable[str]) -> str:
    """Find the first of `names` among a table's columns, whatever its case, spaces, hyphens and brackets."""
    columns = list(next(iter(rows)))
    simple = {_simplify(column): column for column in columns}
    wanted = list(names)
    for name in wanted:
        if _simplify(name) in simple:
            return simple[_simplify(name)]
    raise InputError(f"{path} has columns {', '.join(columns)}: it needs {' or '.join(map(repr, wanted))}")


def _simplify(column: str) -> str:
    return column.lower().translate(SIMPLE)


def parse_column(path: Path, rows: Iterable[Row], column: str) -> list[float]:
    """Read a column of numbers; the checks on what is read judge them later."""
    return _parse(path, (row[column] for row in rows), lambda number: f"{path}, row {number}, column {column!r}")


def parse_scores(path: Path, pairs: Iterable[tuple[str, str]]) -> list[float]:
    """Read the scores of lines."""
    return _parse(path, (score for _, score in pairs), lambda number: f"{path}, line {number - 1}")


def _parse(path: Path, cells: Iterable[str], locate: Callable[[int], str]) -> list[float]:
    numbers = []
    for number, cell in enumerate(cells, 2):
        try:
            numbers.append(float(cell))
        except ValueError:
            raise InputError(f"{locate(number)}: {cell!r} is no number, give a score") from None
    return numbers
