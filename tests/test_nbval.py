"""nbval's traps are closed: `make lessons` fails on tiny notebooks made to slip through."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
NBVAL = shlex.split(re.search(r"^NBVAL := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1])


def tiny(sources, tag="nbval-check-output"):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    for number, cell in enumerate(cells, start=1):
        cell.execution_count = number
    cells[0].metadata["tags"] = [tag]
    cells[0].outputs = [nbformat.v4.new_output("stream", name="stdout", text="one\n")]
    return nbformat.v4.new_notebook(cells=cells)


def stripped():
    notebook = tiny(["print('another')"])
    notebook.cells[0].execution_count, notebook.cells[0].outputs = None, []
    return notebook


@pytest.mark.parametrize(
    ("notebook", "code", "message"),
    [
        (tiny(["print('one')"]), 0, "1 passed"),
        (tiny(["print('another')"]), 1, "mismatch 'stdout'"),
        (stripped(), 4, "execution counts are [None]"),
        (tiny(["print('another')"], tag="nbval-chek-output"), 4, "unknown tag"),
        (tiny(["print('one')", "import time; time.sleep(60)", "assert False"]), 1, "1 failed"),
    ],
    ids=["good", "wrong output", "stripped", "misspelt tag", "timeout"],
)
def test_the_run_of_nbval_fails_where_nbval_is_blind(tmp_path, notebook, code, message):
    nbformat.write(notebook, tmp_path / "tiny.ipynb")
    command = [sys.executable, "-m", "pytest", *NBVAL, "--nbval-cell-timeout=3", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == code, run.stdout + run.stderr
    assert message in run.stdout + run.stderr


def test_a_run_without_notebooks_is_no_success(tmp_path):
    command = [sys.executable, "-m", "pytest", *NBVAL, str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 5
