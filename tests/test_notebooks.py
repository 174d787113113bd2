"""Every notebook passes every gate; every gate stops a broken twin."""

import copy
import re
from pathlib import Path

import nbformat
import notebook_gates
import pytest
from nbconvert import HTMLExporter
from notebook_files import NOTEBOOKS, source_hash, without_badge

ROOT = Path(__file__).parent.parent

by_gate = pytest.mark.parametrize("gate", notebook_gates.GATES, ids=lambda gate: gate.__name__)
by_path = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_notebooks_and_the_first_is_the_door():
    assert NOTEBOOKS[0].stem == "00_start_here"


@by_path
@by_gate
def test_every_notebook_passes_every_gate(gate, path):
    assert gate(nbformat.read(path, as_version=4)) == []


@by_path
def test_the_title_has_the_number_of_the_file(path):
    title = without_badge(nbformat.read(path, as_version=4).cells[0].source)
    assert title.startswith(f"# {path.stem.split('_')[0]} · ")


def test_the_door_opens_with_the_bait_and_switch_in_at_most_120_words():
    head = without_badge(nbformat.read(NOTEBOOKS[0], as_version=4).cells[0].source)
    opening = head.split("\n", 1)[1].split("**In one sentence:**")[0]
    assert "bait and switch" in opening
    assert len(opening.split()) <= 120


@by_path
def test_nbconvert_finds_every_alt_text(path):
    notebook = nbformat.read(path, as_version=4)
    page, _ = HTMLExporter().from_notebook_node(notebook)
    found = re.findall(r'<img[^>]*alt="([^"]*)"', page)
    assert len(found) == len(notebook_gates.figures(notebook))
    assert all(len(alt.split()) >= 8 for alt in found)


# Broken twins. Each function breaks one thing in a notebook that is otherwise good.


def first(notebook, wanted):
    return next(cell for cell in notebook.cells if wanted(cell))


def is_tagged(cell):
    return cell.metadata.get("tags") == [notebook_gates.CHECK_OUTPUT]


def replace_in_head(old, new):
    def change(notebook):
        assert re.search(old, notebook.cells[0].source, flags=re.DOTALL)
        notebook.cells[0].source = re.sub(old, new, notebook.cells[0].source, flags=re.DOTALL)

    return change


def change_first_code_cell(notebook):
    first(notebook, lambda cell: cell.cell_type == "code").source += "\nimport os"


def strip(notebook):
    for cell in notebook_gates.code_cells(notebook):
        cell.execution_count, cell.outputs = None, []


def run_one_cell_again(notebook):
    notebook_gates.code_cells(notebook)[2].execution_count = 99


def edit_a_word(notebook):
    notebook.cells[-1].source += " more"


def edit_a_tag(notebook):
    first(notebook, is_tagged).metadata["tags"] = []


def add_output(**output):
    def change(notebook):
        notebook_gates.code_cells(notebook)[1].outputs.append(nbformat.v4.new_output(**output))

    return change


def write_in_code(line):
    def change(notebook):
        notebook_gates.code_cells(notebook)[1].source += f"\n{line}"

    return change


def write_in_text(line):
    def change(notebook):
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell(line))

    return change


def drop_alt(notebook):
    del notebook_gates.figures(notebook)[0].metadata["image/png"]


def move_alt(notebook):
    figure = notebook_gates.figures(notebook)[0]
    figure.metadata["alt"] = figure.metadata.pop("image/png")["alt"]


def drop_figures(notebook):
    for cell in notebook_gates.code_cells(notebook):
        cell.outputs = [o for o in cell.outputs if "image/png" not in o.get("data", {})]


def change_anchored_number(notebook):
    cell = first(notebook, lambda cell: re.search(r"\d<!--00\.1-->", cell.source))
    cell.source = re.sub(r"\d<!--00\.1-->", "9<!--00.1-->", cell.source)


def drop_anchors(notebook):
    for cell in notebook.cells:
        cell.source = re.sub(r"<!--00\.\d+-->", "", cell.source)


def add_cells(notebook):
    notebook.cells += [nbformat.v4.new_code_cell("1") for _ in range(26)]


def add_cells_to_an_appendix(notebook):
    notebook.cells[0].source += " (appendix)"
    add_cells(notebook)


def lengthen_every_cell(notebook):
    for cell in notebook_gates.code_cells(notebook):
        cell.source = "\n".join(["pass"] * 13)


def tag_with(tag):
    def change(notebook):
        first(notebook, is_tagged).metadata["tags"] = [tag]

    return change


def tag_a_picture(notebook):
    cell = first(notebook, lambda cell: "vc.show" in cell.source)
    cell.metadata["tags"] = [notebook_gates.CHECK_OUTPUT]
    cell.outputs = [o for o in cell.outputs if "image/png" in o.get("data", {})]
    for output in cell.outputs:
        del output.data["text/plain"]


def drop_tags(notebook):
    for cell in notebook_gates.code_cells(notebook):
        cell.metadata["tags"] = []


ERROR = dict(output_type="error", ename="ValueError", evalue="", traceback=[])
WARNING = dict(output_type="stream", name="stderr", text="UserWarning")
HOME = dict(output_type="stream", name="stdout", text="saved in /home/someone/x.npz")
TWINS = [
    ("head", replace_in_head("# 00 · ", "# "), "lacks a title"),
    ("head", replace_in_head(r"\*\*In one sentence:\*\*", "In short:"), "lacks the claim"),
    ("head", replace_in_head(r"\*Time: [^\n]*", "*Time: soon.*"), "lacks the time"),
    ("head", replace_in_head(r"\*\*You need:\*\*", "Needs:"), r"You need:"),
    ("head", replace_in_head("\n- ", "\n- one more" * 5 + "\n- "), "one to five items"),
    ("head", replace_in_head(r"\*\*start here\*\*", "start here"), "present step in bold"),
    ("first", change_first_code_cell, "must be tools/first_cell.py"),
    ("executed", strip, "execution counts are"),
    ("executed", run_one_cell_again, "99"),
    ("source", edit_a_word, "changed after the outputs"),
    ("source", edit_a_tag, "changed after the outputs"),
    ("clean", add_output(**ERROR), "an output is an error: ValueError"),
    ("clean", add_output(**WARNING), "an output is stderr"),
    ("clean", add_output(**HOME), "an absolute path: /home/someone/x.npz"),
    ("clean", write_in_code('np.load("/tmp/x.npz")'), "an absolute path"),
    ("alt_text", drop_alt, "figure 1 has no alt text"),
    ("alt_text", move_alt, "figure 1 has no alt text"),
    ("alt_text", drop_figures, "0 figures"),
    ("claims", change_anchored_number, "claim 00.1 checks"),
    ("claims", drop_anchors, "no number in the text is tied"),
    ("claims", write_in_text("5<!--00.77-->"), "claim 00.77, which no cell makes"),
    ("claims", write_in_code('vc.claim("00.1", "again", 1, says=1, within=1)'), "two claims"),
    ("claims", write_in_code('vc.claim("00.9", "x", x, says=x, within=1)'), "must promise"),
    ("size", add_cells, "code cells, at most 25"),
    ("size", write_in_code("pass\n" * 30), "lines in the longest code cell"),
    ("size", add_cells_to_an_appendix, "code cells, at most 30"),
    ("size", lengthen_every_cell, "lines in the median code cell"),
    ("size", write_in_text("word " * 1500), "words of prose"),
    ("size", add_output(**HOME | {"text": "x" * 1_000_000}), "bytes"),
    ("draws", write_in_code('keys("twice"), keys("twice")'), "drawn with already"),
    ("draws", write_in_code("jax.random.key(0)"), "without a name"),
    ("draws", write_in_code("key_2 = 1"), "a numbered key: key_2"),
    ("tags", tag_with("nbval-chek-output"), "unknown tag 'nbval-chek-output'"),
    ("tags", tag_with("raises-exception"), "unknown tag"),
    ("tags", write_in_code("# NBVAL_CHECK_OUTPUT: the text"), "not a comment"),
    ("tags", tag_a_picture, "to be compared, but printed nothing"),
    ("tags", drop_tags, "nothing would be compared"),
]


@pytest.mark.parametrize(("gate", "break_it", "complaint"), TWINS)
def test_the_gate_stops_a_broken_twin(gate, break_it, complaint):
    twin = copy.deepcopy(nbformat.read(NOTEBOOKS[0], as_version=4))
    break_it(twin)
    assert complaint in "; ".join(getattr(notebook_gates, gate)(twin))


def test_every_gate_has_a_broken_twin():
    assert {gate for gate, _, _ in TWINS} == {gate.__name__ for gate in notebook_gates.GATES}


def test_the_hash_sees_source_and_not_outputs():
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    before = source_hash(notebook)
    strip(notebook)
    assert source_hash(notebook) == before
    edit_a_word(notebook)
    assert source_hash(notebook) != before
