"""Every test runs with keys that may be used only once and with no silent broadcasting."""

import os
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parent.parent
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".venv" / "compiled"))

from vae_course.lesson.machine import keep_compiled_programs  # before jax: jax 0.10 needs that

import jax
import matplotlib as mpl
import pytest

mpl.use("agg")
jax.config.update("jax_debug_key_reuse", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
keep_compiled_programs()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own, which does not exist yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("VAE_COURSE_DATA", str(folder))
    return folder


@pytest.fixture(scope="module")
def serve():
    """handler -> the port of a local server that answers with it until the tests of a file end."""
    servers = []

    def start(handler):
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1].server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
