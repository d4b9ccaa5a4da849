"""One reader for each layout: where its files lie, which columns mean what, where to get it and under which terms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentedit.datasets.rated import Dataset, File, Member, Picture, RatedImage, list_members, read_member
from latentedit.datasets.tables import find_column, parse_column, parse_scores, read_csv, read_lines, read_spreadsheet
from latentedit.errors import InputError, damaged
from latentedit.photographs import SUFFIXES
from latentedit.predictors.attributes import suggest

HIT, FALSE_ALARM = ("Hit Rate (HR)", "HR"), ("False Alarm Rate (FAR)", "FAR")
LAMEM_SPLITS, PARTS = range(1, 6), ("train", "val", "test")
MEMCAT = {"corrected": "memorability_w_fa_correction", "hit": "memorability_wo_fa_correction"}
PATHS, SCORES = ("path", "image", "file", "filename", "stimulus"), ("score", "memorability")


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk, and how one comes by it."""

    sign: str  # the file that tells it, as a pattern below the folder
    read: Callable[[Path, Path, str | None, int], Dataset]  # folder, the file of `sign`, target, number of the split
    title: str
    source: str
    terms: str


def read_us_faces(folder: Path, table: Path, target: str | None, _number: int) -> Dataset:
    """Read 10k US Adult Faces: target `corrected` (hit rate less false alarm rate), `hit` or `false_alarm`."""
    target = _choose(target, ("corrected", "hit", "false_alarm"))
    rows = read_spreadsheet(table)
    hits, alarms = (parse_column(table, rows, find_column(table, rows, names)) for names in (HIT, FALSE_ALARM))
    scores = {"hit": hits, "false_alarm": alarms, "corrected": [h - f for h, f in zip(hits, alarms, strict=True)]}
    names = [row[find_column(table, rows, ["Filename"])] for row in rows]
    pictures = _locate(folder, names)
    images = (RatedImage(*facts) for facts in zip(names, pictures, scores[target], strict=True))
    return Dataset("us-faces", target, tuple(images), (-1.0, 1.0) if target == "corrected" else (0.0, 1.0))


def read_lamem(folder: Path, table: Path, target: str | None, number: int) -> Dataset:
    """Read one of LaMem's five splits: three files of lines, all images of which are different."""
    target = _choose(target, ("memorability",))
    if number not in LAMEM_SPLITS:
        raise InputError(f"split {number}: LaMem has splits 1 to 5, each with a training of its own")
    files = {part: table.with_name(f"{part}_{number}.txt") for part in PARTS}
    images = [image for part, path in files.items() for image in _read_part(folder, path, part)]
    return Dataset(f"lamem-{number}", target, tuple(images))


def _read_part(folder: Path, path: Path, part: str) -> Iterable[RatedImage]:
    pairs = read_lines(path)
    for (name, _), score in zip(pairs, parse_scores(path, pairs), strict=True):
        yield RatedImage(name, File(folder / "images" / name), score, part)


def read_memcat(folder: Path, table: Path, target: str | None, _number: int) -> Dataset:
    """Read MemCat: target `corrected` (for false alarms) or `hit`; categories and subcategories."""
    target = _choose(target, tuple(MEMCAT))
    rows = read_csv(table)
    name, category, subcategory, score = (
        find_column(table, rows, [column]) for column in ("image_file", "category", "subcategory", MEMCAT[target])
    )
    pictures = _locate(folder, [row[name] for row in rows], [f"{row[category]}/{row[subcategory]}" for row in rows])
    scores = parse_column(table, rows, score)
    images = (
        RatedImage(row[name], picture, number, "", row[category], row[subcategory])
        for row, picture, number in zip(rows, pictures, scores, strict=True)
    )
    return Dataset("memcat", target, tuple(images))


def read_omi(folder: Path, table: Path, target: str | None, _number: int) -> Dataset:
    """Read One Million Impressions: the mean rating of any attribute, 0 to 100."""
    rows = read_csv(table)
    key = find_column(table, rows, ["stimulus"])
    target = _choose(target or "memorable", tuple(column for column in rows[0] if column != key))
    names = [row[key] for row in rows]
    scores = parse_column(table, rows, target)
    images = (RatedImage(*facts) for facts in zip(names, _locate(folder, names), scores, strict=True))
    return Dataset("omi", target, tuple(images), (0.0, 100.0))


def read_table(folder: Path, table: Path, target: str | None, _number: int) -> Dataset:
    """Read any CSV with a column of paths and one of scores; split, category and subcategory where it has them.

    Paths are relative to the table. `target` names the column of scores.
    """
    rows = read_csv(table)
    path, score = find_column(table, rows, PATHS), find_column(table, rows, [target] if target else SCORES)
    images = (
        RatedImage(row[path], File(folder / row[path]), number, *(row.get(name, "") for name in OPTIONAL))
        for row, number in zip(rows, parse_column(table, rows, score), strict=True)
    )
    return Dataset(table.stem, score, tuple(images))


OPTIONAL = ("split", "category", "subcategory")


def read_zip(_folder: Path, archive: Path, target: str | None, _number: int) -> Dataset:
    """Read a ZIP of NVIDIA's layout whose dataset.json gives each image one number as its label."""
    target = _choose(target, ("label",))
    if "dataset.json" not in list_members(archive):
        raise InputError(f"{archive} has no dataset.json with scores: make one, or give a CSV of path,score")
    with damaged(f"{archive}: dataset.json is none of NVIDIA's: it needs labels, pairs of a name and a number"):
        labels: list[tuple[str, Any]] = json.loads(read_member(archive, "dataset.json"))["labels"]
        images = tuple(RatedImage(name, Member(archive, name), _to_score(label)) for name, label in labels)
    return Dataset(archive.stem, target, images)


def _to_score(label: Any) -> float:
    """Take a number, or a list of one."""
    return float(label[0] if isinstance(label, list) and len(label) == 1 else label)


def _choose(target: str | None, known: tuple[str, ...]) -> str:
    if target is not None and target not in known:
        raise InputError(f"target {target!r} is not known: {suggest(target, list(known))}")
    return target or known[0]


def _locate(folder: Path, names: list[str], places: list[str] | None = None) -> list[Picture]:
    """Find files by name anywhere below a folder, or by their place and name; a missing one keeps its place."""
    below = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    by_name = {key: path for path in reversed(below) for key in (path.stem, path.name)}
    if places is None:
        return [File(by_name.get(name, folder / name)) for name in names]
    placed = {f"{path.parent.parent.name}/{path.parent.name}/{path.name}": path for path in below}
    wanted = [f"{place}/{name}" for place, name in zip(places, names, strict=True)]
    return [File(placed.get(want, folder / want)) for want in wanted]


LAYOUTS = {
    "us-faces": Layout(
        "**/memorability-scores.xlsx",
        read_us_faces,
        "10k US Adult Faces, 2,222 with hit and false alarm rates (Bainbridge, Isola & Oliva 2013)",
        "wilmabainbridge.com/facememorability2.html, on request",
        "research only, under the licence agreement that comes with it; faces may not be passed on",
    ),
    "lamem": Layout(
        "**/splits/train_1.txt",
        read_lamem,
        "LaMem, some 60,000 photographs in five splits (Khosla, Raju, Torralba & Oliva 2015)",
        "memorability.csail.mit.edu/download.html",
        "those of its page; the photographs belong to their makers",
    ),
    "memcat": Layout(
        "**/memcat_image_data.csv",
        read_memcat,
        "MemCat, 10,000 photographs in five categories (Goetschalckx & Wagemans 2019)",
        "gestaltrevision.be/projects/memcat",
        "those of its page; the photographs keep the licences of the sets that they come from",
    ),
    "omi": Layout(
        "attribute_means.csv",
        read_omi,
        "One Million Impressions, 1,004 StyleGAN2 faces with 34 mean ratings (Peterson et al. 2022)",
        "github.com/jcpeterson/omi",
        "CC BY-NC-SA 4.0, and so is what is trained on it",
    ),
    "zip": Layout("*.zip", read_zip, "any ZIP of NVIDIA's layout", "your own", "your own"),
    "table": Layout("*.csv", read_table, "any CSV with columns path and score", "your own", "your own"),
}


def read_dataset(path: Path, layout: str | None = None, target: str | None = None, number: int = 1) -> Dataset:
    """Read rated images from a folder of a known layout, a .csv or a .zip; `number` is that of LaMem's split.

    The layout is told by the file that each has, unless `layout` names it. What the files hold is not
    checked here but by `inspect_dataset`.
    """
    if layout is not None and layout not in LAYOUTS:
        raise InputError(f"layout {layout!r} is not known: {suggest(layout, list(LAYOUTS))}")
    if not path.exists():
        raise InputError(f"{path} does not exist: `latentedit datasets` says where to get each data set")
    for name in [layout] if layout else LAYOUTS:
        if (table := _find_sign(path, LAYOUTS[name].sign)) is not None:
            return LAYOUTS[name].read(_root(path, table, name), table, target, number)
    raise InputError(f"{path} holds no {layout or 'known data set'}: `latentedit datasets` says what each consists of")


def _find_sign(path: Path, sign: str) -> Path | None:
    if path.is_file():
        return path if path.match(sign.rpartition("/")[2]) else None
    return next(iter(sorted(path.glob(sign))), None)


def _root(path: Path, table: Path, layout: str) -> Path:
    """Name the folder that the images lie below."""
    if layout == "lamem":
        return table.parent.parent
    return path if path.is_dir() else path.parent
