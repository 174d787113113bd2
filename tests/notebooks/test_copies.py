"""Copies that bring the package, and the course's address: one place, all the others follow."""

import re
import shutil
import sys
from types import SimpleNamespace

import pytest
from IPython.core.inputtransformer2 import TransformerManager

import notebooks
from notebooks import NOTEBOOKS, ROOT, address, code_cells, publish, read, source_hash

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


def test_one_address_everywhere_which_changes_no_hash_and_can_be_taken_out(copy):
    publish("none", copy)
    before = contents(copy)
    hashes = [source_hash(read(path)) for path in (copy / "notebooks").iterdir()]
    for text in before.values():
        assert not re.search(r"colab\.research|mybinder\.org/v2|archive/refs|repository-code", text)
    publish("someone/else", copy)
    publish("owner/the.course", copy)
    _, tag = address(copy)
    assert re.fullmatch(r"v\d+\.\d+\.\d+", tag)
    for path, text in contents(copy).items():
        assert "someone" not in text
        named = re.findall(r"(?:colab\S*?/github|gh|github\.com)/(owner/[\w.-]+?)[/`\"\\?]", text)
        assert set(named) == {"owner/the.course"} or path.name == "pyproject.toml"
        tags = re.findall(r"(?:blob|tags|the\.course)/(v[\d.]+?)(?:\.zip|/|\?)", text)
        assert set(tags) <= {tag}
    for path in (copy / "notebooks").iterdir():
        notebook = read(path)
        link = (
            f"colab.research.google.com/github/owner/the.course/blob/{tag}/notebooks/{path.name})"
        )
        assert notebook.cells[0].source.splitlines()[0].endswith(link)
        assert f"vae-course@https://github.com/owner/the.course/archive/refs/tags/{tag}.zip\n" in (
            code_cells(notebook)[0].source
        )
        assert link in (copy / "README.md").read_text()
    assert hashes == [source_hash(read(path)) for path in (copy / "notebooks").iterdir()]
    publish("none", copy)
    assert contents(copy) == before


def test_everything_is_stamped_as_pyproject_says(tmp_path):
    paths = [*(ROOT / name for name in STAMPED), *NOTEBOOKS]
    (tmp_path / "notebooks").mkdir()
    for path in paths:
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    repository, _ = address() or ("none", "")
    publish(repository, tmp_path)
    for path in paths:
        assert (tmp_path / path.relative_to(ROOT)).read_text() == path.read_text(), path


@pytest.mark.parametrize("repository", ["course", "a/b/c", "https://github.com/a/b", 'a/"b"', "/b"])
def test_what_is_no_address_is_refused_and_changes_nothing(repository, copy):
    before = contents(copy)
    with pytest.raises(ValueError, match="is not owner/name"):
        publish(repository, copy)
    assert contents(copy) == before


@pytest.mark.parametrize(
    "source",
    [
        notebooks.first_cell(None),
        notebooks.first_cell(("owner/course", "v1.0.0")),
        notebooks.BUNDLED_FIRST_CELL.format(package="UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="),
    ],
    ids=["without an address", "with an address", "bundled"],
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
    assert "device: " in capsys.readouterr().out
