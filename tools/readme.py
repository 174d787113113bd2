"""What README.md shows of the executed lessons: the minutes each runs, and one picture of 02."""

import base64
import math
import re
from pathlib import Path

from notebook_gates import figures

ROOT = Path(__file__).parent.parent
PICTURE = "notebooks/film_strip.png"
PICTURED = ("02_sampling_the_prior.ipynb", "after each of 1, 2, 4, 8 and 18 epochs")


def with_minutes(readme: str, notebook: str, seconds: float) -> str:
    """The index with this lesson's minutes, rounded up to halves; they follow its question."""
    row = rf"(^\|.*\]\(notebooks/{re.escape(notebook)}\)[^|]*\|[^|]*\|) [\d.]+ (\|)"
    minutes = f"{math.ceil(seconds / 30) / 2:g}"
    return re.sub(row, rf"\g<1> {minutes} \g<2>", readme, flags=re.MULTILINE)


def picture_of(notebook) -> bytes:
    """The figure whose alt text has PICTURED's words.

    Raises:
        LookupError: if the notebook has no such figure.
    """
    for figure in figures(notebook):
        if PICTURED[1] in figure.metadata.get("image/png", {}).get("alt", ""):
            return base64.b64decode(figure.data["image/png"])
    raise LookupError(f"no figure's alt text has {PICTURED[1]!r}")


def show_in_readme(path: Path, notebook, seconds: float) -> None:
    readme = ROOT / "README.md"
    readme.write_text(with_minutes(readme.read_text(), path.name, seconds))
    if path.name == PICTURED[0]:
        (ROOT / PICTURE).write_bytes(picture_of(notebook))
