"""`load` over a real HTTP server, on the good day and the bad ones, and `binarize`."""

import io
import re
import resource
import socket
import sys
import time
import types
import warnings
from http.server import BaseHTTPRequestHandler

import jax
import jax.numpy as jnp
import mnist_server
import numpy as np
import pytest

import vae_course as vc
from vae_course import data, saving
from vae_course.data import DataWarning

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def served(tmp_path, serve, monkeypatch):
    folder, registered = mnist_server.serve_small_mnist(tmp_path, serve)
    monkeypatch.setattr(data, "registered", lambda name: registered)
    return folder


def assert_is_small_mnist(loaded):
    arrays = mnist_server.small_mnist()
    assert (loaded.name, loaded.is_stand_in) == ("mnist", False)
    assert loaded.test_images.dtype == np.float32
    expected = arrays["x_train"].reshape(30, 784) / 255
    np.testing.assert_allclose(loaded.train_images, expected, rtol=1e-6)
    np.testing.assert_array_equal(loaded.test_labels, arrays["y_test"])
    np.testing.assert_array_equal(loaded.train_labels, arrays["y_train"])


def assert_is_the_stand_in(loaded):
    assert (loaded.name, loaded.is_stand_in) == ("digits", True)
    assert loaded.train_images.shape == (20_000, 784)
    assert loaded.test_images.shape == (2_000, 784)
    assert (loaded.train_images.min(), loaded.train_images.max()) == (0, 1)


def test_it_downloads_once_and_then_reads_the_cache(served, cache):
    assert_is_small_mnist(vc.load("mnist"))
    assert [path.name for path in cache.iterdir()] == ["mnist.npz"]
    for path in served.iterdir():
        path.unlink()
    assert_is_small_mnist(vc.load("mnist"))


@pytest.mark.parametrize("name", data.NAMES)
def test_tensorflow_datasets_registers_the_four_files_of_every_name(name):
    for key, (url, sha256) in data.registered(name).items():
        assert url.endswith(data.FILES[key])
        assert re.fullmatch("[0-9a-f]{64}", sha256)


def flip_a_bit(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda content: b"<html>please log in</html>", "checksum"),
        (lambda content: content[: len(content) // 2], "checksum"),
        (lambda content: b"", "checksum"),
        (flip_a_bit, "checksum"),
        (None, "404"),
    ],
    ids=["HTML", "truncated", "empty", "one wrong bit", "missing"],
)
def test_a_bad_download_is_a_clear_error_and_leaves_nothing(spoil, says, served, cache):
    file = served / data.FILES["x_test"]
    if spoil is None:
        file.unlink()
    else:
        file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(RuntimeError, match=rf"(?s)downloading mnist failed.*{says}.*mnist.npz"):
        vc.load("mnist")
    assert not cache.exists()


def test_a_slow_network_only_takes_longer_and_a_stalled_one_is_given_up(served, cache, monkeypatch):
    monkeypatch.setattr(mnist_server.Files, "pause", 1.0)
    monkeypatch.setattr(data, "STALL_TIMEOUT", 0.5)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"(?s)downloading mnist failed.*timed out.*mnist.npz"):
        vc.load("mnist")
    assert time.monotonic() - start < 10
    assert not cache.exists()
    monkeypatch.setattr(mnist_server.Files, "pause", 0.1)
    assert_is_small_mnist(vc.load("mnist"))


# No network: the stand-in, loudly.


class Unavailable(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_error(503)

    def log_message(self, *args):
        pass


@pytest.fixture
def host(request, serve):
    with socket.socket() as silent, socket.socket() as closed:
        for one in (silent, closed):
            one.bind(("127.0.0.1", 0))
        silent.listen()
        yield {
            "refuses": lambda: f"127.0.0.1:{closed.getsockname()[1]}",
            "never answers": lambda: f"127.0.0.1:{silent.getsockname()[1]}",
            "has no address": lambda: "no-such-host.invalid",
            "is out of order": lambda: f"127.0.0.1:{serve(Unavailable)}",
        }[request.param]()


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("refuses", "refused"),
        ("never answers", "no answer|timed out"),
        ("has no address", "no answer|[Nn]ame|resolve"),
        ("is out of order", "the server answered 503"),
    ],
    indirect=["host"],
)
def test_from_a_host_that_fails_it_is_the_stand_in_within_ten_seconds(host, says, monkeypatch):
    monkeypatch.setattr(data, "registered", lambda name: {"x_train": (f"http://{host}/x", "")})
    start = time.monotonic()
    with pytest.warns(DataWarning, match=rf"(?s)mnist could not be downloaded: .*({says}).*STAND"):
        assert_is_the_stand_in(vc.load("mnist"))
    assert time.monotonic() - start < 10


def test_without_tensorflow_datasets_it_is_the_stand_in(monkeypatch):
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)
    with pytest.warns(DataWarning, match="tensorflow-datasets, which knows .*is not installed"):
        assert_is_the_stand_in(vc.load("mnist"))


def test_with_a_tensorflow_datasets_that_is_damaged_it_is_the_stand_in(monkeypatch):
    half_imported = types.ModuleType("tensorflow_datasets")  # it has no __spec__
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", half_imported)
    with pytest.warns(DataWarning, match="tensorflow-datasets is damaged"):
        assert_is_the_stand_in(vc.load("mnist"))


def test_the_stand_in_has_no_test_image_that_is_a_shifted_training_image():
    arrays = data.stand_in_arrays()

    def shapes(images):  # a fingerprint that shifts do not change
        return {bytes(np.sort(image, axis=None)) for image in images}

    assert not shapes(arrays["x_train"]) & shapes(arrays["x_test"])
    assert set(arrays["y_train"]) == set(range(10))


# A damaged cache is replaced; a disk that refuses costs only the copy.


def npz(**changes):
    """Bytes of a cache file in which some arrays are not what they should be."""
    buffer = io.BytesIO()
    arrays = mnist_server.small_mnist() | changes
    np.savez(buffer, **{key: value for key, value in arrays.items() if value is not None})
    return buffer.getvalue()


CORRUPT = {
    "empty": b"",
    "garbage": b"PK\x03\x04 and then nothing",
    "HTML": b"<html>please log in</html>",
    "truncated": npz()[:9000],
    "one wrong byte": npz()[:3000] + b"?" + npz()[3001:],
    "an array missing": npz(y_test=None),
    "lengths differ": npz(y_test=np.zeros(11, np.uint8)),
    "wrong type": npz(x_train=np.zeros((30, 28, 28), np.float32)),
    "wrong shape": npz(x_train=np.zeros((30, 784), np.uint8)),
    "no images": npz(x_test=np.zeros((0, 28, 28), np.uint8), y_test=np.zeros(0, np.uint8)),
    "pickled objects": npz(x_train=np.array([{}], dtype=object)),
}


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_cache_is_rebuilt_and_says_so(content, served, cache):
    cache.mkdir()
    (cache / "mnist.npz").write_bytes(content)
    with pytest.warns(DataWarning, match=r"ignoring the cache .*mnist.npz"):
        assert_is_small_mnist(vc.load("mnist"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_is_small_mnist(vc.load("mnist"))


def test_a_corrupt_cache_without_a_network_is_the_stand_in_and_is_kept(cache, monkeypatch):
    closed = {"x_train": ("http://127.0.0.1:9/x", "")}
    monkeypatch.setattr(data, "registered", lambda name: closed)
    cache.mkdir()
    (cache / "mnist.npz").write_bytes(b"garbage")
    with pytest.warns(DataWarning, match="cannot be"), pytest.warns(DataWarning, match="STAND-IN"):
        assert vc.load("mnist").is_stand_in
    assert (cache / "mnist.npz").read_bytes() == b"garbage"  # it is not ours to delete


def file_in_its_place(cache, monkeypatch):
    cache.write_text("a file where the folder should be")


def folder_in_place_of_the_file(cache, monkeypatch):
    (cache / "mnist.npz").mkdir(parents=True)


def read_only(cache, monkeypatch):
    """Permissions do not stop an administrator, who may run these tests: so by hand."""

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(saving.Path, "open", refuse)


SPOILS = [file_in_its_place, folder_in_place_of_the_file, read_only]


@pytest.mark.filterwarnings("ignore:ignoring the cache")  # the folder is one
@pytest.mark.parametrize("spoil", SPOILS)
def test_a_cache_that_cannot_be_written_costs_only_the_copy(spoil, served, cache, monkeypatch):
    spoil(cache, monkeypatch)
    with pytest.warns(DataWarning, match="could not keep a copy"):
        assert_is_small_mnist(vc.load("mnist"))
    assert not list(cache.glob("*.part"))


def test_a_disk_that_is_full_when_the_copy_is_kept_costs_only_the_copy(served, cache):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # no file becomes larger
    try:
        with pytest.warns(DataWarning, match="could not keep a copy"):
            loaded = vc.load("mnist")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_is_small_mnist(loaded)
    assert list(cache.iterdir()) == []


def test_an_unknown_name_gets_the_list_of_names():
    with pytest.raises(ValueError, match="'mnits': choose one of mnist, fashion_mnist, kmnist"):
        vc.load("mnits")


def test_the_cache_folder_may_begin_with_a_tilde(monkeypatch):
    monkeypatch.setenv("VAE_COURSE_DATA", "~/course-data")
    assert data.cache_folder() == data.Path.home() / "course-data"


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
    images = jnp.array([0.5, bad])
    says = "is nan in row 1" if np.isnan(bad) else "divide bytes by 255"
    with pytest.raises(ValueError, match=says):
        vc.binarize(images, jax.random.key(0))
    compiled = jax.jit(vc.binarize)(images, jax.random.key(0))
    np.testing.assert_array_equal(np.isnan(compiled), [False, True])
    assert set(np.asarray(vc.binarize([1.0000001] * 9, jax.random.key(0)))) == {1.0}
