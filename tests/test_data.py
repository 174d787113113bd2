"""What `load` returns without a network, and `binarize`."""

import os
import re
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import vae_course as vc
from vae_course import data, download

pytestmark = pytest.mark.usefixtures("cache")


class Unavailable(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_error(503)

    def log_message(self, *args):
        pass


@pytest.fixture
def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def silent_port():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield silent.getsockname()[1]


@pytest.fixture
def host(request, closed_port, silent_port, serve):
    return {
        "refuses": f"127.0.0.1:{closed_port}",
        "never answers": f"127.0.0.1:{silent_port}",
        "has no address": "no-such-host.invalid",
        "is out of order": f"127.0.0.1:{serve(Unavailable)}",
    }[request.param]


def assert_is_the_stand_in(loaded, printed):
    assert loaded.name == "digits"
    assert loaded.is_stand_in
    assert loaded.train_images.shape == (20_000, 784)
    assert loaded.test_images.shape == (2_000, 784)
    assert loaded.train_images.min() == 0
    assert loaded.train_images.max() == 1
    assert "STAND-IN" in printed


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("refuses", "refused"),
        ("never answers", "no answer|timed out"),
        ("has no address", "no answer|Name|name"),
        ("is out of order", "the server answered 503"),
    ],
    indirect=["host"],
)
def test_from_a_host_that_fails_it_is_the_stand_in_within_ten_seconds(
    host, says, monkeypatch, capsys
):
    monkeypatch.setattr(download, "url_infos", lambda name: {f"http://{host}/x": None})
    start = time.monotonic()
    loaded = vc.load("mnist")
    assert time.monotonic() - start < 10
    printed = capsys.readouterr().out
    assert_is_the_stand_in(loaded, printed)
    assert re.search(f"mnist could not be downloaded: .*({says})", printed)


def test_a_new_process_without_a_network_has_the_stand_in_within_ten_seconds(closed_port):
    """All of it: starting tensorflow-datasets, the real addresses, the box."""
    code = (
        "import time; import vae_course as vc; start = time.monotonic(); "
        "print(vc.load('mnist').name, time.monotonic() - start)"
    )
    proxy = f"http://127.0.0.1:{closed_port}"
    environment = os.environ | {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": ""}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    *box, last = run.stdout.splitlines()
    assert "STAND-IN" in "".join(box)
    name, seconds = last.split()
    assert name == "digits"
    assert float(seconds) < 10


def test_without_a_working_tensorflow_datasets_it_says_so(monkeypatch, capsys):
    def broken(name):
        raise ModuleNotFoundError("No module named 'importlib_resources'")

    monkeypatch.setattr(download, "url_infos", broken)
    assert vc.load("mnist").is_stand_in
    assert "does not start (No module named 'importlib_resources')" in capsys.readouterr().out


def test_the_stand_in_has_no_test_image_that_is_a_shifted_training_image():
    arrays = data.stand_in_arrays()

    def shapes(images):  # a fingerprint that shifts do not change
        return {bytes(np.sort(image, axis=None)) for image in images}

    assert not shapes(arrays["x_train"]) & shapes(arrays["x_test"])
    assert set(arrays["y_train"]) == set(range(10))


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
    with pytest.raises(ValueError, match="divide bytes by 255"):
        vc.binarize(jnp.array([0.5, bad]), jax.random.key(0))
    jax.jit(vc.binarize)(jnp.array([0.5, 0.7]), jax.random.key(0))
