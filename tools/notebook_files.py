"""Notebooks as files: what of one is its source, and how one is written. Shared by the tools."""

import datetime
import hashlib
import json
import os
import re
import tempfile
from pathlib import Path

import nbformat

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
BADGE = r"\[!\[Open in Colab\]\(\S+?\)\]\(\S+?\)"


def chosen(lessons: str) -> list[Path]:
    """The notebooks that LESSONS names: "00,08", "all", or "third", which changes daily.

    Raises:
        ValueError: if it names none.
    """
    if lessons == "third":
        return NOTEBOOKS[datetime.date.today().toordinal() % 3 :: 3]
    names = lessons.split(",")
    paths = [p for p in NOTEBOOKS if lessons == "all" or p.stem.split("_")[0] in names]
    if not paths:
        raise ValueError(f"LESSONS={lessons} names no lesson: LESSONS=00,08 names two")
    return paths


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def without_badge(head: str) -> str:
    return re.sub(rf"\A{BADGE}\n\n", "", head)


def source_hash(notebook) -> str:
    """A hash of every cell's type, tags and text, outputs left out.

    The first code cell and the badge name the course's address, which changes no
    output; a gate and a test of their own hold them.
    """
    first = code_cells(notebook)[0]
    cells = [
        (cell.cell_type, cell.metadata.get("tags", []), without_badge(cell.source))
        for cell in notebook.cells
        if cell is not first
    ]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def write(path: Path, notebook) -> None:
    """Writes beside the target and renames: an interruption leaves the old notebook whole."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as file:
        nbformat.write(notebook, file)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
