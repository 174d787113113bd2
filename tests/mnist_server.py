"""MNIST's four files on a local server, with addresses and checksums as they are registered."""

import gzip
import hashlib
import struct
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np

from vae_course.data import FILES


class Files(SimpleHTTPRequestHandler):
    """Serves the files of a folder, in ten pieces with a pause after each, and prints nothing."""

    pause = 0.0

    def log_message(self, *args):
        pass

    def copyfile(self, source, outputfile):
        content = source.read()
        size = -(-len(content) // 10) or 1
        for start in range(0, len(content), size):
            try:
                outputfile.write(content[start : start + size])
                outputfile.flush()
            except OSError:  # the other side has given up
                return
            time.sleep(self.pause)


def write_idx_files(arrays, folder: Path, url: str) -> dict:
    """Writes each array as its gzipped IDX file; array -> its address and checksum."""
    registered = {}
    for key, name in FILES.items():
        array = arrays[key]
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        content = gzip.compress(header + array.tobytes(), compresslevel=1)
        (folder / name).write_bytes(content)
        registered[key] = (f"{url}/{name}", hashlib.sha256(content).hexdigest())
    return registered


def small_mnist():
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (30, 28, 28), dtype=np.uint8),
        "y_train": rng.integers(0, 10, 30, dtype=np.uint8),
        "x_test": rng.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        "y_test": rng.integers(0, 10, 10, dtype=np.uint8),
    }


def serve_small_mnist(tmp_path, serve, handler=Files):
    """A folder with four files like MNIST's, and what is registered of them."""
    folder = tmp_path / "www"
    folder.mkdir()
    url = f"http://127.0.0.1:{serve(partial(handler, directory=str(folder)))}"
    return folder, write_idx_files(small_mnist(), folder, url)
