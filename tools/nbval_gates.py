"""A pytest plugin (`-p tools.nbval_gates`): shuts nbval's blind spots before it runs anything.

nbval compares no cell of a stripped notebook, and ignores a tag it does not know: either way
it would pass without having compared anything.
"""

import sys
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import notebook_gates


def pytest_collection_modifyitems(items):
    complaints = [
        f"{path.name}: {complaint}"
        for path in sorted({item.path for item in items if item.path.suffix == ".ipynb"})
        for gate in (notebook_gates.executed, notebook_gates.tags)
        for complaint in gate(nbformat.read(path, as_version=4))
    ]
    if complaints:
        raise pytest.UsageError("; ".join(complaints))
