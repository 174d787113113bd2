"""Offline and on the stand-in, each cell run twice in a row prints the same again.

Run by `make test-offline`; LESSONS=00,08 runs these, LESSONS=third a third of them.
"""

import os
import re

import pytest

from notebooks import chosen, client_for, code_cells, read

TIMING = re.compile(r"\d ?(ms|s|seconds|minutes|hours)\b|· time of ")


def printed(cell) -> str:
    """What a cell prints, without warnings, which come once, and lines that tell a time."""
    said = [o for o in cell.outputs if o.get("name") != "stderr"]
    texts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in said]
    return "\n".join(line for line in "".join(texts).splitlines() if not TIMING.search(line))


@pytest.mark.parametrize(
    "path", chosen(os.environ.get("LESSONS", "all")), ids=lambda path: path.stem
)
def test_a_cell_run_twice_prints_the_same(path):
    notebook = read(path)
    client = client_for(notebook, path.parent, timeout=300)
    with client.setup_kernel():
        for number, cell in enumerate(code_cells(notebook), start=1):
            index = notebook.cells.index(cell)
            once = printed(client.execute_cell(cell, index))
            again = printed(client.execute_cell(cell, index))
            assert again == once, f"code cell {number}"
