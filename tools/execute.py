"""Runs notebooks in place on real MNIST, so that their outputs are those of exactly their code.

usage: python tools/execute.py [notebook ...]        (all of them by default)

A notebook is written back only after it has run to its end within MEMORY.
Its metadata then holds a hash of the source, by which a test knows that outputs and source
belong together.
"""

import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

import vae_course as vc

sys.path.insert(0, str(Path(__file__).parent))
from notebook_files import NOTEBOOKS, source_hash, write
from readme import show_in_readme

MEMORY = 2.5  # GB; 2 is the aim, and lesson 11 needs 2.3


def main(paths: list[Path]) -> None:
    if vc.load("mnist").is_stand_in:
        sys.exit(
            "The outputs must come from real MNIST, which could not be loaded: nothing was run."
        )
    for path in paths:
        start = time.perf_counter()
        notebook, peak = execute(path)
        seconds = time.perf_counter() - start
        notebook.metadata["vae_course"] = {"source_hash": source_hash(notebook)}
        write(path, notebook)
        show_in_readme(path, notebook)
        print(
            f"{path.name}: {seconds:.0f} s, at most {peak:.2f} GB of memory, "
            f"{path.stat().st_size / 1e3:.0f} kB on disk",
            flush=True,
        )


def execute(path: Path):
    """The notebook with fresh outputs, and its peak memory in GB; raises at the first error."""
    notebook = nbformat.read(path, as_version=4)
    peaks = []  # after each cell: when the hook for the end is called, the kernel is gone
    client = NotebookClient(
        notebook,
        timeout=600,
        resources={"metadata": {"path": path.parent}},
        record_timing=False,
        coalesce_streams=True,
        on_cell_executed=lambda **_: peaks.append(peak_memory(client.km.provisioner.pid)),
    )
    client.execute()
    if peaks[-1] > MEMORY:
        sys.exit(f"{path.name} needs {peaks[-1]:.2f} GB of memory, {MEMORY} are allowed")
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {"name": "python"}
    return notebook, peaks[-1]


def peak_memory(pid: int) -> float:
    """The most memory a process has held so far, in GB; only Linux tells (elsewhere NaN)."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return float("nan")
    return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text())[1]) / 1e6


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or NOTEBOOKS)
