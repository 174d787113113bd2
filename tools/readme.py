"""README.md's picture is a figure of lesson 02."""

import base64
from pathlib import Path

from notebook_gates import figures

ROOT = Path(__file__).parent.parent
PICTURE = "notebooks/film_strip.png"
PICTURED = ("02_sampling_the_prior.ipynb", "after each of 1, 2, 4, 8 and 18 epochs")


def picture_of(notebook) -> bytes:
    """The figure whose alt text has PICTURED's words.

    Raises:
        LookupError: if the notebook has no such figure.
    """
    for figure in figures(notebook):
        if PICTURED[1] in figure.metadata.get("image/png", {}).get("alt", ""):
            return base64.b64decode(figure.data["image/png"])
    raise LookupError(f"no figure's alt text has {PICTURED[1]!r}")


def show_in_readme(path: Path, notebook) -> None:
    if path.name == PICTURED[0]:
        (ROOT / PICTURE).write_bytes(picture_of(notebook))
