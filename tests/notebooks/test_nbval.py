"""nbval's traps are closed: `make lessons` fails on tiny notebooks made to slip through."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from notebooks import COMPARED, chosen

ROOT = Path(__file__).parents[2]
NBVAL = shlex.split(re.search(r"^NBVAL := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1])


def tiny(*sources):
    cells = [nbformat.v4.new_code_cell(source, execution_count=1) for source in sources]
    cells[0].metadata["tags"] = [COMPARED]
    cells[0].outputs = [nbformat.v4.new_output("stream", name="stdout", text="one\n")]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.mark.parametrize(
    ("notebook", "code", "message"),
    [
        (tiny("print('one')"), 0, "1 passed"),
        (tiny("print('another')"), 1, "mismatch 'stdout'"),
        (tiny("print('one')", "import time; time.sleep(60)", "assert False"), 1, "1 failed"),
    ],
    ids=["good", "wrong output", "timeout"],
)
def test_the_run_of_nbval_fails_where_it_should(tmp_path, notebook, code, message):
    nbformat.write(notebook, tmp_path / "tiny.ipynb")
    command = [sys.executable, "-m", "pytest", *NBVAL, "--nbval-cell-timeout=3", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == code, run.stdout + run.stderr
    assert message in run.stdout + run.stderr


def test_a_choice_of_no_lesson_is_no_success():
    assert [path.stem[:2] for path in chosen("00,08")] == ["00", "08"]
    assert 5 <= len(chosen("third")) <= 6
    with pytest.raises(ValueError, match="LESSONS=99 names '99', which is none of 00, "):
        chosen("99")
