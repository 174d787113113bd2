"""A pytest plugin (`-p tools.nbval_gates`): shuts nbval's blind spots before it runs anything.

nbval compares no cell of a stripped notebook, and ignores a tag it does not know: either way
it would pass without having compared anything. LESSONS=00,08 or LESSONS=third runs only these.
"""

import os
import sys
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import notebook_gates
from notebook_files import NOTEBOOKS, chosen

CHOSEN = chosen(os.environ.get("LESSONS", "all"))


def pytest_ignore_collect(collection_path):
    return (collection_path in NOTEBOOKS and collection_path not in CHOSEN) or None


def pytest_configure(config):
    # Here, and not after the collection: in parallel runs only the workers collect.
    if hasattr(config, "workerinput"):
        return
    complaints = [
        f"{path.name}: {complaint}"
        for place in map(Path, config.args)
        for path in sorted(place.glob("*.ipynb") if place.is_dir() else [place])
        for gate in (notebook_gates.executed, notebook_gates.tags)
        for complaint in gate(nbformat.read(path, as_version=4))
    ]
    if complaints:
        raise pytest.UsageError("; ".join(complaints))
