"""What must hold of every notebook. A gate takes a notebook and returns its complaints.

tests/test_notebooks.py opens every gate for every notebook, and shuts each one on a
broken twin.
"""

import ast
import functools
import re
import statistics
import sys
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).parent))
from notebook_files import BADGE, code_cells, source_hash
from publish import first_cell, published

CHECK_OUTPUT = "nbval-check-output"
HEAD = {
    "a title such as '# 02 · Sampling the prior'": rf"\A({BADGE}\n\n)?# (\d\d|[A-Z]) · \S",
    "the claim, '**In one sentence:** ...'": r"^\*\*In one sentence:\*\* \S",
    "the time, '*Time: about a minute on two CPU cores.*'": (
        r"^\*Time: about (half a minute|a minute|two minutes) on two CPU cores\.\*$"
    ),
    "'**You need:** ...'": r"^\*\*You need:\*\* \S",
    "'**You will be able to:**' and one to five items": (
        r"^\*\*You will be able to:\*\*\n(- .*\n){1,5}\n"
    ),
    "'**Where we are:** ...' with the present step in bold": (
        r"^\*\*Where we are:\*\* .*\*\*[^*]+\*\*"
    ),
}
PATH = r"(?<![\w.~])/(home|root|work|tmp|Users|content|mnt|private|opt|var)/|\b[A-Z]:\\\w"


def text(notebook) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def figures(notebook):
    return [output for output in outputs(notebook) if "image/png" in output.get("data", {})]


def printed(output) -> str:
    data = output.get("data", {})
    return "\n".join(
        [output.get("text", ""), *(str(v) for kind, v in data.items() if kind[:6] != "image/")]
    )


def head(notebook) -> list[str]:
    first = notebook.cells[0]
    if first.cell_type != "markdown":
        return ["the first cell must be the head, in markdown"]
    return [
        f"the head lacks {what}"
        for what, pattern in HEAD.items()
        if not re.search(pattern, first.source, flags=re.MULTILINE)
    ]


def first(notebook) -> list[str]:
    if code_cells(notebook)[0].source == first_cell(published()):
        return []
    return ["the first code cell must be tools/first_cell.py, stamped: run make publish"]


def executed(notebook) -> list[str]:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts == list(range(1, len(counts) + 1)):
        return []
    return [f"execution counts are {counts}, not 1 to {len(counts)}: run make execute"]


def source(notebook) -> list[str]:
    if notebook.metadata.get("vae_course", {}).get("source_hash") == source_hash(notebook):
        return []
    return ["the source changed after the outputs were made: run make execute"]


def clean(notebook) -> list[str]:
    complaints = []
    for output in outputs(notebook):
        if output.output_type == "error":
            complaints.append(f"an output is an error: {output.ename}")
        if output.get("name") == "stderr":
            complaints.append(f"an output is stderr: {output.text[:80]!r}")
    everything = [*map(printed, outputs(notebook)), *(cell.source for cell in notebook.cells)]
    for found in re.finditer(rf"\S*({PATH})\S*", "\n".join(everything)):
        complaints.append(f"an absolute path: {found[0]}")
    return complaints


def alt_text(notebook) -> list[str]:
    """nbconvert reads it from the metadata of the output, under the picture's type."""
    complaints = []
    if not 2 <= len(figures(notebook)) <= 6:
        complaints.append(f"{len(figures(notebook))} figures: two to six are asked for")
    for number, figure in enumerate(figures(notebook), start=1):
        alt = figure.get("metadata", {}).get("image/png", {}).get("alt", "")
        if len(alt.split()) < 8:
            complaints.append(f"figure {number} has no alt text of eight words: use vc.show")
    return complaints


def claims(notebook) -> list[str]:
    """`−128.4<!--02.4-->`: the number before an anchor is one that its claim checks.

    The claim may be another lesson's, as in the ledger that runs through the course.
    """
    made, complaints = _claims(notebook)
    made = _claims_of_all() | made
    anchors = re.findall(r"([−-]?\d[\d,.]*)?(?: nats)?<!--(\w{1,2}\.\d+)-->", text(notebook))
    if not any(number for number, _ in anchors):
        complaints.append("no number in the text is tied to a claim: write −128.4<!--02.4-->")
    for number, claim in anchors:
        if claim not in made:
            complaints.append(f"the text points at claim {claim}, which no cell makes")
        elif number and float(number.replace("−", "-").replace(",", "")) not in made[claim]:
            complaints.append(f"the text says {number}, claim {claim} checks {made[claim]}")
    return complaints


@functools.cache
def _claims_of_all():
    paths = (Path(__file__).parent.parent / "notebooks").glob("*.ipynb")
    every = [_claims(nbformat.read(path, as_version=4))[0] for path in paths]
    return functools.reduce(dict.__or__, every, {})


def _claims(notebook):
    """number -> the bounds of its vc.claim call; and what is wrong with the calls."""
    made, complaints = {}, []
    for cell in code_cells(notebook)[1:]:  # the first may hold a line that is no Python
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "vc.claim":
                number = ast.literal_eval(node.args[0])
                if number in made:
                    complaints.append(f"two claims are called {number}")
                bounds = [
                    k.value for k in node.keywords if k.arg in ("says", "at_least", "at_most")
                ]
                try:
                    made[number] = [float(ast.literal_eval(value)) for value in bounds]
                except ValueError:
                    complaints.append(f"claim {number} must promise a number, not an expression")
    return made, complaints


def size(notebook) -> list[str]:
    # All but the first, which is no part of the lesson and has a gate of its own.
    lines = [len(cell.source.splitlines()) for cell in code_cells(notebook)[1:]]
    appendix = "(appendix)" in notebook.cells[0].source  # looked up in parts, not read through
    measured = {  # what: its value, and the most that is allowed
        "code cells": (len(code_cells(notebook)), 30 if appendix else 25),
        "lines in the longest code cell": (max(lines, default=0), 25),
        "lines in the median code cell": (statistics.median_low(lines or [0]), 12 + 8 * appendix),
        "words of prose": (len(prose(notebook)), 2500 if appendix else 1500),
        "bytes": (len(nbformat.writes(notebook).encode()), 1_000_000),
    }
    return [f"{n} {what}, at most {most}" for what, (n, most) in measured.items() if n > most]


def prose(notebook) -> list[str]:
    """The words a reader reads: no code, formulas, tables, solutions or reading list."""
    unread = (
        r"<details>.*?</details>|<br>|<!--.*?-->|\$\$.*?\$\$|\$[^$\n]*\$|```.*?```|`[^`]*`|^\|.*?$"
    )
    running = re.sub(unread, " ", text(notebook).split("\n## Reading")[0], flags=re.M | re.S)
    return re.findall(r"[^\W\d_][\w’'–-]*", running)


def tags(notebook) -> list[str]:
    """nbval ignores a tag it does not know, and compares neither pictures nor empty outputs."""
    complaints, compared = [], 0
    for number, cell in enumerate(code_cells(notebook), start=1):
        found = cell.metadata.get("tags", [])
        unknown = [tag for tag in found if tag != CHECK_OUTPUT]
        complaints += [f"code cell {number} has the unknown tag {tag!r}" for tag in unknown]
        if re.search(r"#\s*(NBVAL|PYTEST_VALIDATE)", cell.source, flags=re.IGNORECASE):
            complaints.append(f"code cell {number}: use the tag {CHECK_OUTPUT}, not a comment")
        if CHECK_OUTPUT in found:
            compared += 1
            if not any(printed(output).strip() for output in cell.outputs):
                complaints.append(f"code cell {number} is to be compared, but printed nothing")
    if not compared:
        complaints.append(f"no cell has the tag {CHECK_OUTPUT}: nothing would be compared")
    return complaints


def draws(notebook) -> list[str]:
    """Each draw has a key with a name of its own: `keys("train")` stands once in a lesson."""
    complaints, seen = [], set()
    for number, cell in enumerate(code_cells(notebook)[1:], start=2):
        for node in ast.walk(ast.parse(cell.source)):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called == "keys":
                name = ast.unparse(node.args[0])
                if name in seen:
                    complaints.append(f"code cell {number}: keys({name}) is drawn with already")
                seen.add(name)
            elif called in ("jax.random.key", "jax.random.PRNGKey"):
                complaints.append(f"code cell {number} makes a key without a name: use keys(...)")
    numbered = re.findall(r"\bkey_\d+\b", "\n".join(cell.source for cell in notebook.cells))
    return complaints + [f"a numbered key: {name}" for name in sorted(set(numbered))]


GATES = (head, first, executed, source, clean, alt_text, claims, size, tags, draws)
