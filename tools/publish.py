"""Stamps the course's public address into all that names it.

usage: python tools/publish.py owner/name        (none: takes the address out again)

The address stands in pyproject.toml, under [tool.vae_course]; badges, first cells,
README.md and CITATION.cff follow it, and tests/test_publish.py holds them equal.
"""

import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).parent))
from notebook_files import BADGE, code_cells, without_badge, write

ROOT = Path(__file__).parent.parent
FIRST_CELL = (Path(__file__).parent / "first_cell.py").read_text().strip()
COLAB = "https://colab.research.google.com"


@dataclass(frozen=True)
class Address:
    """A repository on GitHub, and the tag of the version that is published there."""

    repository: str
    tag: str

    @property
    def web(self) -> str:
        return f"https://github.com/{self.repository}"

    @property
    def archive(self) -> str:
        return f"{self.web}/archive/refs/tags/{self.tag}.zip"

    def badge(self, notebook: str) -> str:
        target = f"{COLAB}/github/{self.repository}/blob/{self.tag}/notebooks/{notebook}"
        return f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({target})"

    def start(self) -> str:
        """What the README says of the address."""
        binder = f"https://mybinder.org/v2/gh/{self.repository}/{self.tag}?labpath=notebooks"
        name = self.repository.split("/")[1]
        return (
            "Nothing to install: the badge of a lesson opens it in Colab, and\n"
            f"[![Binder](https://mybinder.org/badge_logo.svg)]({binder}) opens them all.\n"
            f"On your own machine, start with `git clone {self.web}` and `cd {name}`.\n\n"
        )


def published(root: Path = ROOT) -> Address | None:
    """The address in pyproject.toml, or None while there is none."""
    return address_in((root / "pyproject.toml").read_text())


def address_in(pyproject: str) -> Address | None:
    settings = tomllib.loads(pyproject)
    repository = settings["tool"]["vae_course"]["repository"]
    return Address(repository, f"v{settings['project']['version']}") if repository else None


def first_cell(address: Address | None) -> str:
    """The first code cell of every lesson, the same in all.

    Where the package is missing it says what to do or, with an address, installs it and
    nothing else.
    """
    if address is None:
        return FIRST_CELL
    return f"""\
try:
    import vae_course as vc
except ModuleNotFoundError:
    %pip install --quiet --no-deps vae-course@{address.archive}
    import vae_course as vc  # not found? Check the connection, and run this cell again.
vc.setup()"""


def stamp_notebook(notebook, name: str, address: Address | None) -> None:
    head = without_badge(notebook.cells[0].source)
    notebook.cells[0].source = f"{address.badge(name)}\n\n{head}" if address else head
    first = code_cells(notebook)[0]
    first.source, first.metadata = first_cell(address), nbformat.NotebookNode()


def stamp_readme(text: str, address: Address | None) -> str:
    def link(match):
        return f"{match[1]} {address.badge(match[2])}" if address else match[1]

    text = re.sub(rf"(\]\(notebooks/(\S+?\.ipynb)\))(?: {BADGE})?", link, text)
    start = address.start() if address else ""
    block = r"(<!-- address -->\n).*(<!-- /address -->)"
    return re.sub(block, lambda match: match[1] + start + match[2], text, flags=re.DOTALL)


def stamp_citation(text: str, address: Address | None) -> str:
    text = re.sub(r"^repository-code: .*\n", "", text, flags=re.MULTILINE)
    return text + (f'repository-code: "{address.web}"\n' if address else "")


def publish(repository: str, root: Path = ROOT) -> None:
    """Writes nothing unless all of it can be stamped.

    Raises:
        ValueError: if `repository` is neither owner/name nor "none".
    """
    repository = "" if repository == "none" else repository
    if repository and not re.fullmatch(r"[\w-]+/[\w.-]+", repository):
        raise ValueError(f"{repository!r} is not owner/name, as in octocat/hello-world")
    path = root / "pyproject.toml"
    pyproject = re.sub(
        r'^repository = ".*?"', f'repository = "{repository}"', path.read_text(), flags=re.M
    )
    address = address_in(pyproject)
    texts = {path: pyproject}
    for name, stamp in {"README.md": stamp_readme, "CITATION.cff": stamp_citation}.items():
        texts[root / name] = stamp((root / name).read_text(), address)
    notebooks = {p: nbformat.read(p, as_version=4) for p in (root / "notebooks").glob("*.ipynb")}
    for path, notebook in notebooks.items():
        stamp_notebook(notebook, path.name, address)
    for path, notebook in notebooks.items():
        write(path, notebook)
    for path, text in texts.items():
        path.write_text(text)


if __name__ == "__main__":
    if sys.argv[1:] in ([], [""]):
        sys.exit("usage: make publish REPO=owner/name (or REPO=none, to take it out again)")
    try:
        publish(sys.argv[1])
    except ValueError as error:
        sys.exit(str(error))
