"""A download on a slow network comes; one that falls silent is given up."""

import contextlib
import time

import pytest
from mnist_server import Files, assert_is_small_mnist, serve_small_mnist

import vae_course as vc
from vae_course import download


class Slow(Files):
    """Sends a file in ten pieces with a pause after each, `pause` seconds long."""

    pause = 0.0

    def copyfile(self, source, outputfile):
        content = source.read()
        size = -(-len(content) // 10)
        with contextlib.suppress(OSError):  # the other side may have given up
            for start in range(0, len(content), size):
                outputfile.write(content[start : start + size])
                outputfile.flush()
                time.sleep(self.pause)


@pytest.fixture
def slow_server(request, tmp_path, serve, monkeypatch):
    monkeypatch.setattr(Slow, "pause", request.param)
    return serve_small_mnist(tmp_path, serve, monkeypatch, Slow)


@pytest.mark.parametrize("slow_server", [0.1], indirect=True)
def test_a_slow_network_only_takes_longer(slow_server, cache):
    assert_is_small_mnist(vc.load("mnist"))


@pytest.mark.parametrize("slow_server", [3], indirect=True)
def test_a_download_that_stalls_is_a_clear_error_within_seconds(slow_server, cache, monkeypatch):
    monkeypatch.setattr(download, "STALL_TIMEOUT", 0.5)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"(?s)downloading mnist failed.*timed out.*mnist.npz"):
        vc.load("mnist")
    assert time.monotonic() - start < 10
    assert not cache.exists()
