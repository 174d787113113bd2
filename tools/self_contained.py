"""Writes copies of the lessons that need no repository: the package is packed into the first cell.

usage: python tools/self_contained.py [folder]        (build/colab by default)

They can be uploaded to Colab or shared from a drive.
"""

import base64
import io
import sys
import zipfile
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).parent))
from notebook_files import NOTEBOOKS, code_cells, without_badge, write

ROOT = Path(__file__).parent.parent
FIRST_CELL = """\
import base64, io, sys, tempfile, zipfile  # this copy brings the course's package with it
PACKAGE = "{package}"
sys.path.insert(0, tempfile.mkdtemp(prefix="vae_course_"))
zipfile.ZipFile(io.BytesIO(base64.b64decode(PACKAGE))).extractall(sys.path[0])
import vae_course as vc
vc.setup()"""
# Jupyter's and Colab's ways to fold a cell's source away.
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same package gives the same bytes, whenever it is packed


def packed_package() -> str:
    """The package as a zip file in base 64."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in sorted((ROOT / "vae_course").rglob("*")):
            if path.suffix in (".py", ".json"):
                info = zipfile.ZipInfo(path.relative_to(ROOT).as_posix(), LONG_AGO)
                file.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    return base64.b64encode(content.getvalue()).decode()


def self_contained(notebook, package: str):
    """Changes the notebook: its first cell, folded away, brings the package; no badge."""
    notebook.cells[0].source = without_badge(notebook.cells[0].source)
    first = code_cells(notebook)[0]
    first.source = FIRST_CELL.format(package=package)
    first.metadata |= FOLDED


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    package = packed_package()
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        self_contained(notebook, package)
        write(folder / path.name, notebook)
    print(
        f"{len(list(folder.glob('*.ipynb')))} lessons in {folder}, {len(package) // 1000} kB each "
        "for the package"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "colab")
