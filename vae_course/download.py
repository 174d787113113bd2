"""Downloads through tensorflow-datasets' download manager, which checks the checksums it knows.

Only the manager is used: building a data set inside tensorflow-datasets needs TensorFlow.
"""

import functools
import gzip
import importlib.resources.abc
import importlib.util
import struct
import sys
import tempfile
import threading
import unittest.mock
import urllib.error
import urllib.request

import numpy as np

FILES = {  # the IDX file that holds each array
    "x_train": "train-images-idx3-ubyte.gz",
    "y_train": "train-labels-idx1-ubyte.gz",
    "x_test": "t10k-images-idx3-ubyte.gz",
    "y_test": "t10k-labels-idx1-ubyte.gz",
}
HOST_TIMEOUT = 4  # seconds to wait for a first answer, before the stand-in
STALL_TIMEOUT = 20  # seconds without a byte, after which a download has failed


def url_infos(name: str):
    """address -> size, checksum and file name, as tensorflow-datasets registers them."""
    # tensorflow-datasets 4.9.10 imports this package and does not install it (Colab has none):
    # the standard library's module has all that it uses.
    if importlib.util.find_spec("importlib_resources") is None:
        sys.modules["importlib_resources"] = importlib.resources
    import tensorflow_datasets as tfds  # takes seconds, so only where it is needed

    return tfds.builder_cls(name).url_infos


def download(name: str, url_infos) -> dict[str, np.ndarray]:
    """The four arrays of a data set; raises whatever goes wrong on the way."""
    import requests
    import tensorflow_datasets as tfds

    # The manager would wait for ever for a server that falls silent, and offers no time-out.
    impatient = functools.partialmethod(requests.Session.get, timeout=STALL_TIMEOUT)
    urls = {key: next(u for u in url_infos if u.endswith(file)) for key, file in FILES.items()}
    with tempfile.TemporaryDirectory() as folder:
        manager = tfds.download.DownloadManager(
            download_dir=folder,
            url_infos=url_infos,
            dataset_name=name,
            force_checksums_validation=True,
        )
        with unittest.mock.patch.object(requests.Session, "get", impatient):
            # One after the other: when one fails, no other thread still writes to the folder.
            paths = {key: manager.download(url) for key, url in urls.items()}
        return {key: _decode_idx(gzip.decompress(path.read_bytes())) for key, path in paths.items()}


def _decode_idx(data: bytes) -> np.ndarray:
    """IDX: two zero bytes, a type (8 = byte), the number of axes, their sizes, the values."""
    zeros, kind, num_axes = struct.unpack(">HBB", data[:4])
    if zeros != 0 or kind != 8:
        raise ValueError("the downloaded file is not an IDX file of bytes")
    shape = struct.unpack(f">{num_axes}I", data[4 : 4 + 4 * num_axes])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * num_axes).reshape(shape)


def unreachable(url: str) -> str | None:
    """What keeps us from the host of `url`, or None; answers within HOST_TIMEOUT."""
    outcome = [f"no answer within {HOST_TIMEOUT} seconds"]

    def knock():
        try:
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=HOST_TIMEOUT).close()
            outcome[0] = None
        except urllib.error.HTTPError as error:
            outcome[0] = f"the server answered {error.code} {error.reason}"
        except OSError as error:
            reason = getattr(error, "reason", error)
            outcome[0] = getattr(reason, "strerror", None) or str(reason)

    # In a thread, because looking up a name ignores the time-out.
    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(HOST_TIMEOUT)
    return outcome[0]
