"""`load` from a cache, from a real download over HTTP, and with no network."""

import gzip
import hashlib
import socket
import struct
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import vae_course as vc
from vae_course import data, download


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("VAE_COURSE_DATA", str(folder))
    return folder


def small_mnist():
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (30, 28, 28), dtype=np.uint8),
        "y_train": rng.integers(0, 10, 30, dtype=np.uint8),
        "x_test": rng.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        "y_test": rng.integers(0, 10, 10, dtype=np.uint8),
    }


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Four files like MNIST's on a local server, with checksums as tfds registers them."""
    from tensorflow_datasets.core.download.checksums import UrlInfo

    folder = tmp_path / "www"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url_infos = {}
    for key, name in download.FILES.items():
        array = small_mnist()[key]
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        content = gzip.compress(header + array.tobytes())
        (folder / name).write_bytes(content)
        url = f"http://127.0.0.1:{server.server_port}/{name}"
        url_infos[url] = UrlInfo(len(content), hashlib.sha256(content).hexdigest(), name)
    monkeypatch.setattr(download, "url_infos", lambda name: url_infos)
    yield folder
    server.shutdown()
    server.server_close()


def assert_is_small_mnist(loaded):
    arrays = small_mnist()
    assert loaded.name == "mnist"
    assert not loaded.is_stand_in
    assert loaded.train_images.shape == (30, 784)
    assert loaded.test_images.dtype == np.float32
    np.testing.assert_allclose(
        loaded.train_images, arrays["x_train"].reshape(30, 784) / 255, rtol=1e-6
    )
    np.testing.assert_array_equal(loaded.test_labels, arrays["y_test"])
    np.testing.assert_array_equal(loaded.train_labels, arrays["y_train"])


def test_it_downloads_once_and_then_reads_the_cache(served, cache):
    assert_is_small_mnist(vc.load("mnist"))
    assert [path.name for path in cache.iterdir()] == ["mnist.npz"]
    for path in served.iterdir():
        path.unlink()
    assert_is_small_mnist(vc.load("mnist"))


def test_a_download_with_a_wrong_checksum_is_an_error_and_leaves_no_cache(served, cache):
    (served / download.FILES["x_test"]).write_bytes(b"<html>please log in</html>")
    with pytest.raises(
        RuntimeError, match=r"(?s)downloading mnist failed.*wrong checksum.*mnist.npz"
    ):
        vc.load("mnist")
    assert not (cache / "mnist.npz").exists()


def test_a_damaged_cache_is_replaced(served, cache, capsys):
    cache.mkdir()
    (cache / "mnist.npz").write_bytes(b"PK\x03\x04 and then nothing")
    assert_is_small_mnist(vc.load("mnist"))
    assert "damaged" in capsys.readouterr().out
    assert_is_small_mnist(vc.load("mnist"))


def test_a_cache_with_wrong_shapes_is_replaced(served, cache):
    cache.mkdir()
    wrong = small_mnist() | {"y_test": np.zeros(11, np.uint8)}
    np.savez(cache / "mnist.npz", **wrong)
    assert_is_small_mnist(vc.load("mnist"))


def test_a_cache_that_cannot_be_written_costs_only_the_copy(served, cache, capsys):
    cache.write_text("a file where the folder should be")
    assert_is_small_mnist(vc.load("mnist"))
    assert "Could not keep a copy" in capsys.readouterr().out


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_without_a_network_it_says_so_and_returns_the_stand_in(monkeypatch, capsys):
    url = f"http://127.0.0.1:{free_port()}/train-images-idx3-ubyte.gz"
    monkeypatch.setattr(download, "url_infos", lambda name: {url: None})
    loaded = vc.load("mnist")
    assert loaded.name == "digits"
    assert loaded.is_stand_in
    assert loaded.train_images.shape == (20_000, 784)
    assert loaded.test_images.shape == (2_000, 784)
    assert loaded.train_images.min() == 0
    assert loaded.train_images.max() == 1
    assert "STAND-IN" in capsys.readouterr().out


def test_without_a_working_tensorflow_datasets_it_says_so(monkeypatch, capsys):
    def broken(name):
        raise ModuleNotFoundError("No module named 'importlib_resources'")

    monkeypatch.setattr(download, "url_infos", broken)
    assert vc.load("mnist").is_stand_in
    assert "does not start (No module named 'importlib_resources')" in capsys.readouterr().out


def test_a_host_that_never_answers_is_given_up_within_seconds(monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        start = time.monotonic()
        problem = download.unreachable(url)
        assert "no answer" in problem or "timed out" in problem
        assert time.monotonic() - start < download.HOST_TIMEOUT + 1


def test_the_stand_in_has_no_test_image_that_is_a_shifted_training_image():
    arrays = data.stand_in_arrays()

    def shapes(images):  # a fingerprint that shifts do not change
        return {bytes(np.sort(image, axis=None)) for image in images}

    assert not shapes(arrays["x_train"]) & shapes(arrays["x_test"])
    assert set(arrays["y_train"]) == set(range(10))


def test_tensorflow_datasets_knows_the_four_files_of_every_name():
    for name in data.NAMES:
        urls = download.url_infos(name)
        for file in download.FILES.values():
            assert sum(url.endswith(file) for url in urls) == 1


def test_an_unknown_name_gets_the_list_of_names():
    with pytest.raises(ValueError, match="'mnits': choose one of mnist, fashion_mnist, kmnist"):
        vc.load("mnits")


def test_binarize_draws_ones_as_often_as_the_pixel_is_bright():
    grey = jnp.broadcast_to(jnp.array([0.0, 0.3, 1.0]), (40_000, 3))
    x = np.asarray(vc.binarize(grey, jax.random.key(0)))
    assert set(np.unique(x)) == {0.0, 1.0}
    assert x.dtype == np.float32
    assert x[:, 0].max() == 0
    assert x[:, 2].min() == 1
    assert abs(x[:, 1].mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 40_000)


@pytest.mark.parametrize("bad", [255.0, -0.1, np.nan])
def test_binarize_refuses_values_outside_0_to_1(bad):
    with pytest.raises(ValueError, match="divide bytes by 255"):
        vc.binarize(jnp.array([0.5, bad]), jax.random.key(0))
    jax.jit(vc.binarize)(jnp.array([0.5, 0.7]), jax.random.key(0))
