"""Runs notebooks in place on real MNIST, so that their outputs are those of exactly their code.

usage: python tools/execute.py [notebook ...]        (all of them by default)

A notebook is written back only after it has run to its end. Its head then gives the
time this run took and the speed of this machine, and its metadata a hash of the
source, by which a test knows that outputs and source belong together.
"""

import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

import vae_course as vc
from vae_course.machine import REFERENCE, matrix_product_rate

sys.path.insert(0, str(Path(__file__).parent))
from notebook_source import source_hash

ROOT = Path(__file__).parent.parent
TIME = re.compile(r"^\*Time: about .*\*$", flags=re.MULTILINE)


def main(paths: list[Path]) -> None:
    if vc.load("mnist").is_stand_in:
        sys.exit(
            "The outputs must come from real MNIST, which could not be loaded: nothing was run."
        )
    rate = matrix_product_rate()
    REFERENCE.write_text(json.dumps({"gflops": round(rate)}) + "\n")
    for path in paths:
        start = time.perf_counter()
        notebook = execute(path)
        seconds = time.perf_counter() - start
        write_head(notebook, seconds, rate)
        notebook.metadata["vae_course"] = {"source_hash": source_hash(notebook)}
        replace(path, notebook)
        print(f"{path.name}: {seconds:.0f} s, {path.stat().st_size / 1e3:.0f} kB")


def execute(path: Path):
    """The notebook with fresh outputs; raises at the first error of a cell."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": path.parent}}, record_timing=False
    )
    client.execute()
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def write_head(notebook, seconds: float, rate: float) -> None:
    time = f"{seconds / 60:.1f} minutes" if seconds > 90 else f"{5 * round(seconds / 5)} seconds"
    line = f"*Time: about {time} on two CPU cores that multiply matrices at {rate:.0f} GFLOP/s.*"
    head = notebook.cells[0]
    head.source, count = TIME.subn(line, head.source)
    if count != 1:
        sys.exit("The first cell must have one line '*Time: about ...*'")


def replace(path: Path, notebook) -> None:
    """Writes beside the target and renames: an interruption leaves the old notebook whole."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as file:
        nbformat.write(notebook, file)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or sorted((ROOT / "notebooks").glob("*.ipynb")))
