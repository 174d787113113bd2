"""The lessons as files: which there are, whether they keep the rules, their outputs, their copies.

usage: python tools/notebooks.py which [00,08 | third | all]     their paths
       python tools/notebooks.py lint [notebook ...]              what breaks a rule
       python tools/notebooks.py execute [notebook ...]           run in place, on real MNIST
       python tools/notebooks.py bundle [folder]                  copies that bring the package
       python tools/notebooks.py publish owner/name | none        write the address everywhere
"""

import ast
import base64
import datetime
import functools
import hashlib
import io
import json
import os
import re
import symtable
import sys
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PICTURE = ROOT / "notebooks" / "map.png"  # README's, of lesson 00
PICTURED = "An animation"  # words of its alt text
MEMORY = 2.5  # GB; 2 is the aim, and lesson 11 needs 2.3
COMPARED = "nbval-check-output"
COLAB = "https://colab.research.google.com"
BADGE = r"\[!\[Open in Colab\]\(\S+?\)\]\(\S+?\)"
FIRST_CELL = """\
try:
    from vae_course import lesson
except ModuleNotFoundError as missing:
    how = f"{missing}: start with `make lab`; in Colab, open a copy that `make colab` made."
    raise ModuleNotFoundError(how) from None
lesson.setup()"""
PUBLISHED_FIRST_CELL = """\
try:
    from vae_course import lesson
except ModuleNotFoundError:
    %pip install --quiet --no-deps vae-course@{archive}
    from vae_course import lesson  # not found? Check the connection, and run this cell again.
lesson.setup()"""
BUNDLED_FIRST_CELL = """\
import base64, io, sys, tempfile, zipfile  # this copy brings the course's package with it
PACKAGE = "{package}"
sys.path.insert(0, tempfile.mkdtemp(prefix="vae_course_"))
zipfile.ZipFile(io.BytesIO(base64.b64decode(PACKAGE))).extractall(sys.path[0])
from vae_course import lesson
lesson.setup()"""


def chosen(lessons: str) -> list[Path]:
    """The notebooks that LESSONS names: "00,08", "all", or "third", which changes daily.

    Raises:
        ValueError: if it names what there is not.
    """
    if lessons == "third":
        return NOTEBOOKS[datetime.date.today().toordinal() % 3 :: 3]
    numbered = {path.stem.split("_")[0]: path for path in NOTEBOOKS}
    names = list(numbered) if lessons == "all" else lessons.split(",")
    if unknown := [name for name in names if name not in numbered]:
        raise ValueError(
            f"LESSONS={lessons} names {unknown[0]!r}, which is none of {', '.join(numbered)}"
        )
    return [path for number, path in numbered.items() if number in names]


# Parts of a notebook.


def read(path: Path):
    return nbformat.read(path, as_version=4)


def write(path: Path, notebook) -> None:
    """Writes beside the target and renames: an interruption leaves the old notebook whole."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as file:
        nbformat.write(notebook, file)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text(notebook) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def figures(notebook):
    outputs = (output for cell in code_cells(notebook) for output in cell.outputs)
    return [output for output in outputs if "image/png" in output.get("data", {})]


def alt(figure) -> str:
    """nbconvert reads it from the metadata of the output, under the picture's type."""
    return figure.get("metadata", {}).get("image/png", {}).get("alt", "")


def printed(output) -> str:
    data = output.get("data", {})
    return "\n".join(
        [output.get("text", ""), *(str(v) for k, v in data.items() if k[:6] != "image/")]
    )


def without_badge(head: str) -> str:
    return re.sub(rf"\A{BADGE}\n\n", "", head)


def source_hash(notebook) -> str:
    """A hash of every cell's type, tags and text, outputs left out.

    The first code cell and the badge name the course's address, which changes no output.
    """
    first = code_cells(notebook)[0]
    cells = [
        (cell.cell_type, cell.metadata.get("tags", []), without_badge(cell.source))
        for cell in notebook.cells
        if cell is not first
    ]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


# lint: each rule takes a notebook and returns its complaints.

HEAD = {
    "a title such as '# 02 · Sampling the prior'": rf"\A({BADGE}\n\n)?# (\d\d|[A-Z]) · \S",
    "its sentence, '**In one sentence:** ...'": r"^\*\*In one sentence:\*\* \S",
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


def head(notebook):
    """Every lesson opens in the same way; the first code cell is the same in all."""
    for what, pattern in HEAD.items():
        if not re.search(pattern, notebook.cells[0].source, flags=re.MULTILINE):
            yield f"the head lacks {what}"
    if code_cells(notebook)[0].source != first_cell(address()):
        yield "the first code cell is not the one in tools/notebooks.py: run make publish"


def executed(notebook):
    """The outputs are those of exactly this source, run once from top to bottom."""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}, not 1 to {len(counts)}: run make execute"
    if notebook.metadata.get("vae_course", {}).get("source_hash") != source_hash(notebook):
        yield "the source changed after the outputs were made: run make execute"


def clean(notebook):
    """No error, warning or path of somebody's machine."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    for output in outputs:
        if output.output_type == "error" or output.get("name") == "stderr":
            yield f"an error or a warning: {(output.get('text') or output.ename)[:80]!r}"
    everything = [*map(printed, outputs), *(cell.source for cell in notebook.cells)]
    for found in re.finditer(rf"\S*({PATH})\S*", "\n".join(everything)):
        yield f"an absolute path: {found[0]}"


def small(notebook):
    """A lesson can be read, and a picture too by those who cannot see it."""
    appendix = "(appendix)" in notebook.cells[0].source  # looked up in parts, not read through
    lines = max(len(cell.source.splitlines()) for cell in code_cells(notebook)[1:])
    measured = {
        "code cells": (len(code_cells(notebook)), 30 if appendix else 25),
        "lines in the longest code cell": (lines, 30),
        "bytes": (len(nbformat.writes(notebook).encode()), 1_000_000),
    }
    yield from (f"{n} {what}, at most {most}" for what, (n, most) in measured.items() if n > most)
    for number, figure in enumerate(figures(notebook), start=1):
        if len(alt(figure).split()) < 25:
            yield f"figure {number} has no alt text of 25 words: axes, numbers, what to see"


def compared(notebook):
    """nbval ignores a tag it does not know, and compares neither pictures nor empty outputs."""
    tagged = 0
    for number, cell in enumerate(code_cells(notebook), start=1):
        for tag in cell.metadata.get("tags", []):
            if tag != COMPARED:
                yield f"code cell {number} has the unknown tag {tag!r}"
            elif not any(printed(output).strip() for output in cell.outputs):
                yield f"code cell {number} is to be compared, but printed nothing"
            tagged += tag == COMPARED
        if re.search(r"#\s*(NBVAL|PYTEST_VALIDATE)", cell.source, flags=re.IGNORECASE):
            yield f"code cell {number}: use the tag {COMPARED}, not a comment"
    if not tagged:
        yield f"no cell has the tag {COMPARED}: nothing would be compared"


def draws(notebook):
    """Each draw has a key with a name of its own: `keys("train")` stands once in a lesson."""
    seen = set()
    for number, cell in list(enumerate(code_cells(notebook), start=1))[1:]:
        for call in calls(cell):
            called = ast.unparse(call.func)
            if called == "keys":
                name = ast.unparse(call.args[0])
                if name in seen:
                    yield f"code cell {number}: keys({name}) is drawn with already"
                seen.add(name)
            elif called in ("jax.random.key", "jax.random.PRNGKey"):
                yield f"code cell {number} makes a key without a name: use keys(...)"
        for name in sorted(set(re.findall(r"\bkey_\d+\b", cell.source))):
            yield f"code cell {number} has a numbered key: {name}"


def claims(notebook):
    """One closing cell claims; `−128.4<!--02.4-->` in the text is a number that a claim says.

    The claim may be another lesson's, as in the ledger that runs through the course. What is
    claimed has a name that no other cell binds, whichever cell was run last.
    """
    cells = code_cells(notebook)[1:]
    claiming = [call for cell in cells for call in calls(cell) if is_claims(call)]
    if len(claiming) != 1:
        yield f"{len(claiming)} calls of lesson.claims: there is one, in a cell of its own"
        return
    made = said(notebook)
    if len(made) > 16:
        yield f"{len(made)} claims: keep the fifteen or so that carry the argument"
    names = {n.id for arg in claiming[0].args for n in ast.walk(arg) if isinstance(n, ast.Name)}
    for name in sorted(names):
        places = [n for n, cell in enumerate(cells, start=2) if name in bound(cell)]
        if len(places) > 1:
            yield f"{name} is claimed, and bound in the code cells {places}"
    everywhere = said_anywhere() | made
    anchors = re.findall(r"([−-]?\d[\d,.]*)?(?: nats)?<!--(\w{1,2}\.\d+)-->", text(notebook))
    if not any(number for number, _ in anchors):
        yield "no number in the text is tied to a claim: write −128.4<!--02.4-->"
    for number, claim in anchors:
        if claim not in everywhere:
            yield f"the text points at claim {claim}, which no lesson makes"
        elif number and float(number.replace("−", "-").replace(",", "")) not in everywhere[claim]:
            yield f"the text says {number}, claim {claim} says {everywhere[claim]}"


RULES = (head, executed, clean, small, compared, draws, claims)


def calls(cell):
    return [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]


def is_claims(call) -> bool:
    return ast.unparse(call.func) == "lesson.claims"


def bound(cell) -> set[str]:
    """The names that a cell binds, those of its functions' inside left out."""
    symbols = symtable.symtable(cell.source, "cell", "exec").get_symbols()
    return {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}


def said(notebook) -> dict[str, list[float]]:
    """number of a claim -> the numbers that its row says, without a tolerance."""
    found = {}
    for cell in code_cells(notebook)[1:]:
        for row in (row for call in calls(cell) if is_claims(call) for row in call.args):
            number, *_, says = row.elts
            if ast.literal_eval(number) in found:
                raise ValueError(f"two claims are called {ast.unparse(number)}")
            says = says.values if isinstance(says, ast.JoinedStr) else [says]
            literal = " ".join(part.value for part in says if isinstance(part, ast.Constant))
            numbers = re.findall(r"-?\d[\d.]*(?:e-?\d+)?", literal.split("±")[0])
            found[ast.literal_eval(number)] = [float(n) for n in numbers]
    return found


@functools.cache
def said_anywhere():
    return functools.reduce(dict.__or__, map(said, map(read, NOTEBOOKS)), {})


def complaints(notebook) -> list[str]:
    return [complaint for rule in RULES for complaint in rule(notebook)]


def lint(paths: list[Path]) -> None:
    found = [f"{path.name}: {complaint}" for path in paths for complaint in complaints(read(path))]
    if found:
        sys.exit("\n".join(found))


# execute


def execute(paths: list[Path]) -> None:
    """Runs notebooks in place. One is written only after it has run to its end within MEMORY."""
    import vae_course as vc

    if vc.load("mnist").is_stand_in:
        sys.exit("Outputs must come from real MNIST, which could not be loaded: nothing was run.")
    for path in paths:
        start = time.perf_counter()
        notebook = read(path)
        peak = run(notebook, path.parent)
        if peak > MEMORY:
            sys.exit(f"{path.name} needs {peak:.2f} GB of memory, {MEMORY} are allowed")
        notebook.metadata.pop("widgets", None)
        notebook.metadata.language_info = {"name": "python"}
        notebook.metadata["vae_course"] = {"source_hash": source_hash(notebook)}
        write(path, notebook)
        if path.stem.startswith("00"):
            PICTURE.write_bytes(picture_of(notebook))
        print(f"{path.name}: {time.perf_counter() - start:.0f} s, {peak:.2f} GB", flush=True)


def client_for(notebook, folder: Path, **options):
    """What runs a notebook's cells in `folder`; options as for nbclient.NotebookClient."""
    from nbclient import NotebookClient

    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, resources=resources, record_timing=False, **options)


def run(notebook, folder: Path) -> float:
    """Fills a notebook's outputs; its peak memory in GB (Linux only). Raises at an error."""

    def note_peak(**_):  # after each cell: when the hook for the end is called, the kernel is gone
        status = Path(f"/proc/{client.km.provisioner.pid}/status")
        if status.exists():
            peaks.append(int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text())[1]) / 1e6)

    peaks = [0.0]
    options = dict(timeout=600, coalesce_streams=True, on_cell_executed=note_peak)
    client = client_for(notebook, folder, **options)
    client.execute()
    return peaks[-1]


def picture_of(notebook) -> bytes:
    """README's picture: the figure whose alt text has PICTURED's words."""
    (figure,) = (figure for figure in figures(notebook) if PICTURED in alt(figure))
    return base64.b64decode(figure.data["image/png"])


# bundle: copies that can be uploaded to Colab or shared from a drive.


@functools.cache
def packed_package(with_models: bool = False) -> str:
    """The package as a zip file in base 64, the same bytes whenever it is packed."""
    kinds = {".py", ".json"} | ({".npz"} if with_models else set())
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in sorted((ROOT / "vae_course").rglob("*")):
            if path.suffix in kinds:
                info = zipfile.ZipInfo(path.relative_to(ROOT).as_posix(), (1980, 1, 1, 0, 0, 0))
                file.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    return base64.b64encode(content.getvalue()).decode()


def bundle(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in NOTEBOOKS:
        notebook = read(path)
        package = packed_package(any("vc.trained" in cell.source for cell in notebook.cells))
        notebook.cells[0].source = without_badge(notebook.cells[0].source)
        cell = code_cells(notebook)[0]
        cell.source = BUNDLED_FIRST_CELL.format(package=package)
        # Jupyter's and Colab's ways to fold a cell's source away.
        cell.metadata |= {"jupyter": {"source_hidden": True}, "cellView": "form"}
        write(folder / path.name, notebook)
    size = len(packed_package()) // 1000
    print(f"{len(NOTEBOOKS)} lessons in {folder}, {size} kB each for the package")


# publish: the address stands in pyproject.toml; all that names it follows.


def address(root: Path = ROOT) -> tuple[str, str] | None:
    """(owner/name, tag of this version), or None while there is no address."""
    return address_in((root / "pyproject.toml").read_text())


def address_in(pyproject: str) -> tuple[str, str] | None:
    settings = tomllib.loads(pyproject)
    repository = settings["tool"]["vae_course"]["repository"]
    return (repository, f"v{settings['project']['version']}") if repository else None


def first_cell(address: tuple[str, str] | None) -> str:
    if address is None:
        return FIRST_CELL
    archive = "https://github.com/{}/archive/refs/tags/{}.zip".format(*address)
    return PUBLISHED_FIRST_CELL.format(archive=archive)


def badge(address: tuple[str, str], name: str) -> str:
    target = "{}/github/{}/blob/{}/notebooks/{}".format(COLAB, *address, name)
    return f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({target})"


def stamp_notebook(notebook, name: str, address: tuple[str, str] | None) -> None:
    head = without_badge(notebook.cells[0].source)
    notebook.cells[0].source = f"{badge(address, name)}\n\n{head}" if address else head
    first = code_cells(notebook)[0]
    first.source, first.metadata = first_cell(address), nbformat.NotebookNode()


def stamp_readme(text: str, address: tuple[str, str] | None) -> str:
    start = ""
    if address:
        binder = "https://mybinder.org/v2/gh/{}/{}?labpath=notebooks".format(*address)
        start = (
            "Nothing to install: the badge of a lesson opens it in Colab, and\n"
            f"[![Binder](https://mybinder.org/badge_logo.svg)]({binder}) opens them all.\n"
            f"On your own machine, start with `git clone https://github.com/{address[0]}` and\n"
            f"`cd {address[0].split('/')[1]}`.\n\n"
        )
    links = rf"(\]\(notebooks/(\S+?\.ipynb)\))(?: {BADGE})?"
    text = re.sub(links, lambda m: f"{m[1]} {badge(address, m[2])}" if address else m[1], text)
    block = r"(<!-- address -->\n).*(<!-- /address -->)"
    return re.sub(block, lambda m: m[1] + start + m[2], text, flags=re.DOTALL)


def publish(repository: str, root: Path = ROOT) -> None:
    """Writes the address, or takes it out again ("none"), everywhere.

    Everything is stamped before anything is written.

    Raises:
        ValueError: if `repository` is neither owner/name nor "none"; nothing was written.
    """
    repository = "" if repository == "none" else repository
    if repository and not re.fullmatch(r"[\w-]+/[\w.-]+", repository):
        raise ValueError(f"{repository!r} is not owner/name, as in octocat/hello-world")
    settings, readme, citation = (
        root / name for name in ("pyproject.toml", "README.md", "CITATION.cff")
    )
    line = f'repository = "{repository}"'
    project = re.sub(r'^repository = ".*?"', line, settings.read_text(), flags=re.M)
    here = address_in(project)
    kept = re.sub(r"^repository-code: .*\n", "", citation.read_text(), flags=re.MULTILINE)
    code = f'repository-code: "https://github.com/{repository}"\n' if repository else ""
    texts = {settings: project, citation: kept + code}
    texts[readme] = stamp_readme(readme.read_text(), here)
    notebooks = {path: read(path) for path in (root / "notebooks").glob("*.ipynb")}
    for path, notebook in notebooks.items():
        stamp_notebook(notebook, path.name, here)
    for path, notebook in notebooks.items():
        write(path, notebook)
    for path, text in texts.items():
        path.write_text(text)


def main(command: str = "", *arguments: str) -> None:
    paths = [Path(name) for name in arguments] or NOTEBOOKS
    if command == "which":
        print(*chosen(arguments[0] if arguments else "all"))
    elif command == "lint":
        lint(paths)
    elif command == "execute":
        execute(paths)
    elif command == "bundle":
        bundle(Path(*arguments) if arguments else ROOT / "build" / "colab")
    elif command == "publish" and len(arguments) == 1:
        publish(*arguments)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ValueError as error:
        sys.exit(str(error))
