"""The course's address stands in one place, and everything that names it follows."""

import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import publish
import pytest
import self_contained
from IPython.core.inputtransformer2 import TransformerManager
from notebook_files import NOTEBOOKS, code_cells, source_hash

ROOT = Path(__file__).parent.parent
STAMPED = ["pyproject.toml", "README.md", "CITATION.cff"]


@pytest.fixture
def copy(tmp_path):
    """A copy of all that is stamped, with the first two lessons."""
    (tmp_path / "notebooks").mkdir()
    for path in [*(ROOT / name for name in STAMPED), *NOTEBOOKS[:2]]:
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    return tmp_path


def contents(folder):
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_is_stamped_as_pyproject_says(path):
    notebook = nbformat.read(path, as_version=4)
    publish.stamp_notebook(notebook, path.name, publish.published())
    assert notebook == nbformat.read(path, as_version=4)


def test_readme_and_citation_are_stamped_as_pyproject_says():
    address = publish.published()
    readme, citation = (ROOT / "README.md").read_text(), (ROOT / "CITATION.cff").read_text()
    assert publish.stamp_readme(readme, address) == readme
    assert publish.stamp_citation(citation, address) == citation


def test_without_an_address_nothing_points_at_one(copy):
    publish.publish("none", copy)
    addresses = r"colab\.research|mybinder\.org/v2|archive/refs|repository-code"
    for path, text in contents(copy).items():
        assert not re.search(addresses, text), path


def test_one_address_and_one_tag_everywhere(copy):
    publish.publish("someone/the.course", copy)
    version = publish.published(copy).tag
    assert re.fullmatch(r"v\d+\.\d+\.\d+", version)
    for path, text in contents(copy).items():
        named = re.findall(r"(?:colab\S*?/github|gh|github\.com)/(someone/[\w.-]+?)[/`\"\\?]", text)
        assert set(named) <= {"someone/the.course"}, path
        assert named or path.name == "pyproject.toml"
        assert set(re.findall(r"(?:blob|tags|the\.course)/(v[\d.]+?)(?:\.zip|/|\?)", text)) <= {
            version
        }


def test_the_badge_opens_its_own_lesson_and_the_first_cell_fetches_this_version(copy):
    publish.publish("someone/course", copy)
    tag = publish.published(copy).tag
    for path in (copy / "notebooks").iterdir():
        notebook = nbformat.read(path, as_version=4)
        link = f"(https://colab.research.google.com/github/someone/course/blob/{tag}/notebooks/"
        assert notebook.cells[0].source.splitlines()[0].endswith(f"{link}{path.name})")
        archive = f"https://github.com/someone/course/archive/refs/tags/{tag}.zip"
        assert (
            f"%pip install --quiet --no-deps vae-course@{archive}\n"
            in code_cells(notebook)[0].source
        )
        assert link + path.name in (copy / "README.md").read_text()


def test_an_address_changes_no_hash_and_can_be_changed_and_taken_out(copy):
    publish.publish("none", copy)
    before = contents(copy)
    hashes = [source_hash(nbformat.read(p, as_version=4)) for p in (copy / "notebooks").iterdir()]
    publish.publish("someone/course", copy)
    publish.publish("another/course", copy)
    assert not any("someone" in text for text in contents(copy).values())
    after = [source_hash(nbformat.read(p, as_version=4)) for p in (copy / "notebooks").iterdir()]
    assert hashes == after
    publish.publish("none", copy)
    assert contents(copy) == before


@pytest.mark.parametrize("repository", ["course", "a/b/c", "https://github.com/a/b", 'a/"b"', "/b"])
def test_what_is_no_address_is_refused_and_changes_nothing(repository, copy):
    before = contents(copy)
    with pytest.raises(ValueError, match="is not owner/name"):
        publish.publish(repository, copy)
    assert contents(copy) == before


@pytest.mark.parametrize(
    "source",
    [
        publish.first_cell(None),
        publish.first_cell(publish.Address("someone/course", "v1.0.0")),
        self_contained.FIRST_CELL.format(package="UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="),
    ],
    ids=["without an address", "with an address", "carried"],
)
def test_the_first_cell_has_six_lines_and_installs_nothing_where_the_package_is(
    source, monkeypatch, capsys
):
    def refuse(*args, **kwargs):
        raise AssertionError(f"would install {args}")

    assert len(source.splitlines()) <= 6
    monkeypatch.setattr(sys, "path", sys.path.copy())
    shell = {"get_ipython": lambda: SimpleNamespace(run_line_magic=refuse)}
    exec(TransformerManager().transform_cell(source), shell)
    assert "device: cpu" in capsys.readouterr().out
