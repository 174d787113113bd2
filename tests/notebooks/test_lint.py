"""Every lesson keeps the rules; each rule stops what it is there for."""

import copy
import re

import nbformat
import pytest
from nbconvert import HTMLExporter

from notebooks import (
    COMPARED,
    NOTEBOOKS,
    ROOT,
    RULES,
    code_cells,
    complaints,
    figures,
    picture_of,
    read,
    text,
    without_badge,
)

ERROR = nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])
WARNING = nbformat.v4.new_output("stream", name="stderr", text="UserWarning")
HOME = nbformat.v4.new_output("stream", name="stdout", text="saved in /home/someone/x.npz")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_keeps_the_rules(path):
    notebook = read(path)
    assert complaints(notebook) == []
    assert re.search(rf"^# {path.stem.split('_')[0]} · ", text(notebook), flags=re.MULTILINE)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nbconvert_finds_every_alt_text_and_links_to_lessons_arrive(path):
    notebook = read(path)
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    found = re.findall(r'<img[^>]*alt="([^"]*)"', page)
    assert len(found) == len(figures(notebook))
    assert all(len(alt.split()) >= 25 for alt in found)
    for target in re.findall(r"\]\(([^)\s]+\.ipynb[^)\s]*)\)", text(notebook)):
        name, _, anchor = target.partition("#")
        if not name.startswith("http"):
            headings = re.findall(r"^#+ (.*)$", text(read(path.parent / name)), flags=re.MULTILINE)
            assert not anchor or anchor in [h.replace(" ", "-") for h in headings], target


def test_the_door_opens_with_the_bait_and_switch_in_at_most_120_words():
    head = without_badge(read(NOTEBOOKS[0]).cells[0].source)
    opening = head.split("\n", 1)[1].split("**In one sentence:**")[0]
    assert "bait and switch" in opening
    assert len(opening.split()) <= 120


def test_the_readme_s_picture_is_the_lesson_s_figure():
    (path,) = (path for path in NOTEBOOKS if path.stem.startswith("00"))
    assert "](notebooks/map.png)" in (ROOT / "README.md").read_text()
    assert (path.parent / "map.png").read_bytes() == picture_of(read(path))


# What a rule is there for: a notebook that is good but for one thing.


def tagged(notebook):
    return next(cell for cell in notebook.cells if COMPARED in cell.metadata.get("tags", []))


def closing(notebook):
    return next(cell for cell in notebook.cells if "lesson.claims(" in cell.source)


def strip(notebook):
    for cell in code_cells(notebook):
        cell.execution_count, cell.outputs = None, []


def in_code(line):
    def change(notebook):
        code_cells(notebook)[1].source += f"\n{line}"

    return change


def in_text(line):
    def change(notebook):
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell(line))

    return change


def with_output(output):
    return lambda notebook: code_cells(notebook)[1].outputs.append(output)


def silent_compared_cell(notebook):
    tagged(notebook).outputs = []


def misspelt_tag(notebook):
    tagged(notebook).metadata["tags"] = ["nbval-chek-output"]


def no_alt(notebook):
    del figures(notebook)[0].metadata["image/png"]


def many_cells(notebook):
    notebook.cells += [nbformat.v4.new_code_cell("1") for _ in range(26)]


def no_title(notebook):
    notebook.cells[0].source = notebook.cells[0].source.replace("# 00 · ", "# ")


def other_first_cell(notebook):
    code_cells(notebook)[0].source += "\nimport os"


def wrong_anchor(notebook):
    for cell in notebook.cells:
        cell.source = re.sub(r"\d<!--00\.1-->", "9<!--00.1-->", cell.source)


def no_anchor(notebook):
    for cell in notebook.cells:
        cell.source = re.sub(r"<!--\w+\.\d+-->", "", cell.source)


def claimed_name_bound_twice(notebook):
    name = re.search(r", (\w+)[.,]", closing(notebook).source.split('"00.1", ')[1])[1]
    in_code(f"{name} = 1")(notebook)


FAULTS = [
    ("head", no_title, "lacks a title"),
    ("head", other_first_cell, "first code cell"),
    ("executed", strip, "execution counts are"),
    ("executed", in_text("A word more."), "changed after the outputs"),
    ("clean", with_output(ERROR), "an error or a warning: 'ValueError'"),
    ("clean", with_output(WARNING), "an error or a warning"),
    ("clean", with_output(HOME), "an absolute path: /home/someone/x.npz"),
    ("small", many_cells, "code cells, at most 25"),
    ("small", in_code("pass\n" * 30), "lines in the longest code cell"),
    ("small", no_alt, "figure 1 has no alt text"),
    ("compared", misspelt_tag, "unknown tag 'nbval-chek-output'"),
    ("compared", silent_compared_cell, "to be compared, but printed nothing"),
    ("draws", in_code('keys("twice"), keys("twice")'), "drawn with already"),
    ("draws", in_code("jax.random.key(0)"), "without a name"),
    ("draws", in_code("key_2 = 1"), "a numbered key: key_2"),
    ("claims", wrong_anchor, "claim 00.1 says"),
    ("claims", in_text("2<!--00.1-->"), "the text says 2, claim 00.1 says [-135.0]"),
    ("claims", no_anchor, "no number in the text is tied"),
    ("claims", in_text("5<!--00.77-->"), "claim 00.77, which no lesson makes"),
    ("claims", in_code('lesson.claims(("00.9", "x", 1, "1 ± 1"))'), "2 calls of lesson.claims"),
    ("claims", claimed_name_bound_twice, "is claimed, and bound in the code cells"),
]


@pytest.mark.parametrize(("rule", "spoil", "complaint"), FAULTS)
def test_a_rule_stops_what_it_is_there_for(rule, spoil, complaint):
    notebook = copy.deepcopy(read(NOTEBOOKS[0]))
    spoil(notebook)
    (rule,) = (found for found in RULES if found.__name__ == rule)
    assert complaint in "; ".join(rule(notebook))
