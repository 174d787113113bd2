"""MNIST's four files on a local server, as tensorflow-datasets would download them."""

import gzip
import hashlib
import struct
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np

from vae_course import download


class Files(SimpleHTTPRequestHandler):
    """Serves the files of a folder, and prints nothing."""

    def log_message(self, *args):
        pass


def write_idx_files(arrays, folder: Path, url: str) -> dict:
    """Writes each array as its gzipped IDX file; address -> (size, checksum, file name)."""
    infos = {}
    for key, name in download.FILES.items():
        array = arrays[key]
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        content = gzip.compress(header + array.tobytes(), compresslevel=1)
        (folder / name).write_bytes(content)
        infos[f"{url}/{name}"] = (len(content), hashlib.sha256(content).hexdigest(), name)
    return infos


def small_mnist():
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (30, 28, 28), dtype=np.uint8),
        "y_train": rng.integers(0, 10, 30, dtype=np.uint8),
        "x_test": rng.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        "y_test": rng.integers(0, 10, 10, dtype=np.uint8),
    }


def serve_small_mnist(tmp_path, serve, monkeypatch, handler):
    """Four files like MNIST's on a local server, with checksums as tfds registers them."""
    from tensorflow_datasets.core.download.checksums import UrlInfo

    folder = tmp_path / "www"
    folder.mkdir()
    url = f"http://127.0.0.1:{serve(partial(handler, directory=str(folder)))}"
    infos = write_idx_files(small_mnist(), folder, url)
    url_infos = {url: UrlInfo(*info) for url, info in infos.items()}
    monkeypatch.setattr(download, "url_infos", lambda name: url_infos)
    return folder


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
