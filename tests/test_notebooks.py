"""Every notebook: outputs of exactly its source, claims tied to the text, figures with alt text."""

import ast
import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from notebook_source import source_hash  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_outputs_belong_to_exactly_this_source(notebook):
    assert notebook.metadata["vae_course"]["source_hash"] == source_hash(notebook), (
        "the source changed after the outputs were made: run make execute"
    )
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_output_is_an_error_or_names_a_path(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text
            printed = str(output.get("text", "")) + str(
                output.get("data", {}).get("text/plain", "")
            )
            assert not re.search(r"(^|[\s\"'])/(home|root|work|tmp|Users)\b", printed)


def test_every_figure_has_a_title_to_see_and_alt_text(notebook):
    figures = [
        output
        for cell in code_cells(notebook)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert 3 <= len(figures) <= 6
    for figure in figures:
        assert len(figure.metadata["image/png"]["alt"].split()) >= 8


def claims(notebook):
    """number -> keyword arguments of the vc.claim call, the literal ones as values."""
    found = {}
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "vc.claim":
                number = ast.literal_eval(node.args[0])
                assert number not in found, f"two claims are called {number}"
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                found[number] = keywords
    return found


def test_every_number_with_an_anchor_is_what_its_claim_says(notebook):
    """`−128.6<!--02.4-->`: the number before the anchor is one of the claim's."""
    made = claims(notebook)
    assert made
    anchors = re.findall(r"([−-]?\d[\d,.]*)?(?: nats)?<!--(\d\d\.\d+)-->", text(notebook))
    assert any(number for number, _ in anchors)
    for number, claim in anchors:
        assert claim in made, f"the text points at claim {claim}, which no cell makes"
        if not number:  # the text says it in words: "the dashed line"
            continue
        value = float(number.replace("−", "-").replace(",", ""))
        bounds = [made[claim][k] for k in ("says", "at_least", "at_most") if k in made[claim]]
        assert value in map(float, bounds), f"the text says {value}, claim {claim} {bounds}"


def test_size(notebook):
    cells = code_cells(notebook)
    assert len(cells) <= 25
    assert max(len(cell.source.splitlines()) for cell in cells) <= 25


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_file_size(path):
    assert path.stat().st_size < 1_000_000


def test_tags_are_spelt_right_and_guard_something(notebook):
    checked = 0
    for cell in code_cells(notebook):
        tags = cell.metadata.get("tags", [])
        assert set(tags) <= {"nbval-check-output"}
        if tags:
            assert cell.outputs, "nothing to compare: run make execute"
            checked += 1
    assert checked >= 1
