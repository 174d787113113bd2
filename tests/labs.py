"""A JupyterLab as `make lab` starts it, in a copy of the course with what is installed here."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from processes import environment

ROOT = Path(__file__).parent.parent
READ = ("Makefile", "requirements.lock", "pyproject.toml", "tools", "notebooks")  # by make lab


def copy_of_the_course(folder):
    """What `make lab` reads, in another folder, with what is installed here."""
    for name in READ:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    (folder / ".venv").mkdir()
    for path in (ROOT / ".venv").iterdir():
        if path.name != ".ready":
            (folder / ".venv" / path.name).symlink_to(path)
    (folder / ".venv" / ".ready").write_text(f"{folder}\n")


@contextlib.contextmanager
def lab(folder, **changes):
    """The address of a JupyterLab that `make lab` starts there, and its log."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    options = f"--no-browser --port={port} --IdentityProvider.token=reader"
    log = folder / "log"
    with log.open("w") as out:
        server = subprocess.Popen(
            ["make", "lab", f"LAB_OPTIONS={options}"],
            cwd=folder,
            env=environment(**changes),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        wait_until_it_answers(server, port, log)
        yield f"http://127.0.0.1:{port}", log
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


def wait_until_it_answers(server, port, log):
    deadline = time.monotonic() + 90
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            return socket.create_connection(("localhost", port)).close()
        time.sleep(0.2)
    pytest.fail(f"`make lab` did not open the course; its last words:\n{log.read_text()[-3000:]}")
