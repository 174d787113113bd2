"""Every figure of the lessons on one page: in colour, in grey, and on a dark page.

usage: python tools/figures.py page.html [an earlier revision, for comparison]
"""

import html
import subprocess
import sys
from pathlib import Path

import nbformat

from notebooks import NOTEBOOKS, ROOT, alt, figures, read

PAGE = """<!doctype html><meta charset="utf-8"><title>Figures</title><style>
body {{ font: 14px sans-serif }} td {{ padding: 8px; vertical-align: top }} img {{ width: 420px }}
.grey img {{ filter: grayscale(1) }} .dark {{ background: #111 }}</style><table>{rows}</table>"""


def earlier(path: Path, revision: str):
    """A notebook as it was; None if it was not there."""
    name = f"{revision}:{path.relative_to(ROOT).as_posix()}"
    found = subprocess.run(["git", "show", name], capture_output=True, cwd=ROOT)
    return nbformat.reads(found.stdout.decode(), as_version=4) if found.returncode == 0 else None


def cell(figure, kind: str = "") -> str:
    if figure is None:
        return "<td>–</td>"
    said = html.escape(alt(figure), quote=True)
    picture = f'<img src="data:image/png;base64,{figure.data["image/png"]}" alt="{said}">'
    return f'<td class="{kind}">{picture}</td>'


def rows(path: Path, revision: str | None):
    now = figures(read(path))
    before = []
    if revision and (notebook := earlier(path, revision)):
        before = figures(notebook)
    for number in range(max(len(now), len(before))):
        figure, old = (f[number] if number < len(f) else None for f in (now, before))
        said = "" if figure is None else html.escape(alt(figure))
        kinds = "".join(cell(figure, kind) for kind in ("", "grey", "dark"))
        yield f"<tr><td>{path.stem}, {number + 1}<p>{said}</td>{cell(old)}{kinds}</tr>"


if __name__ == "__main__":
    target, *revision = sys.argv[1:]
    found = [row for path in NOTEBOOKS for row in rows(path, revision[0] if revision else None)]
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(PAGE.format(rows="\n".join(found)))
    print(f"{len(found)} figures in {target}")
