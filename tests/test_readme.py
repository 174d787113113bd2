"""README.md and TEACHING.md speak of the lessons that there are; links between lessons arrive."""

import re
from pathlib import Path

import nbformat
import pytest
import readme
from notebook_files import NOTEBOOKS
from notebook_gates import text

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def text_of(path):
    return text(nbformat.read(path, as_version=4))


def rows(page, columns):
    """The cells of each row of that many, its first one a lesson's number or letter."""
    lines = re.findall("^[|]" + columns * "([^|]*)[|]" + "$", page, flags=re.MULTILINE)
    table = [[cell.strip() for cell in line] for line in lines]
    return [row for row in table if re.fullmatch(r"\d\d|[A-Z]", row[0])]


def test_the_index_names_every_lesson_its_question_and_what_it_needs():
    index = rows(README, 4)
    assert [row[0] for row in index] == [path.stem.split("_")[0] for path in NOTEBOOKS]
    for (_, lesson, question, needs), path in zip(index, NOTEBOOKS, strict=True):
        assert f"](notebooks/{path.name})" in lesson
        assert "?" in question
        assert all((ROOT / "notebooks").glob(f"{n}_*.ipynb") for n in re.findall(r"\d\d", needs))


def test_the_first_program_prints_what_the_readme_says(capsys):
    """Within five standard deviations over keys: -140.8, -141.6 and -141.0 with keys 0, 1, 2."""
    program, promised = re.findall(r"```(?:python)?\n(.*?)```", README, flags=re.DOTALL)[:2]
    namespace = {}
    exec(program, namespace)
    sentence = r"log p\(x\) = (-[\d.]+) nats per test image"
    measured, promise = (
        float(re.search(sentence, text)[1]) for text in (capsys.readouterr().out, promised)
    )
    if not namespace["data"].is_stand_in:
        assert abs(measured - promise) < 2


def test_the_picture_is_the_lesson_s_figure():
    lesson = nbformat.read(ROOT / "notebooks" / readme.PICTURED[0], as_version=4)
    assert f"]({readme.PICTURE})" in README
    assert (ROOT / readme.PICTURE).read_bytes() == readme.picture_of(lesson)


def test_teachers_find_every_lesson():
    table = rows((ROOT / "TEACHING.md").read_text(), 4)
    assert [row[0] for row in table] == [path.stem.split("_")[0] for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_to_lessons_and_their_sections_arrive(path):
    for target in re.findall(r"\]\(([^)\s]+\.ipynb[^)\s]*)\)", text_of(path)):
        name, _, anchor = target.partition("#")
        if name.startswith("http"):
            continue
        headings = re.findall(r"^#+ (.*)$", text_of(path.parent / name), flags=re.MULTILINE)
        assert not anchor or anchor in [heading.replace(" ", "-") for heading in headings], target
