"""Data: `load("mnist")` from a cache or the network, or a stand-in when offline; `binarize`.

Addresses and checksums are those that tensorflow-datasets registers. Only its list is read:
building a data set inside tensorflow-datasets needs TensorFlow.
Images are flat float32 in [0, 1]. `binarize` turns grey into black and white.
"""

import gzip
import hashlib
import importlib.util
import io
import os
import struct
import threading
import urllib.error
import urllib.request
import warnings
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import platformdirs

from vae_course.checks import ROUNDING, float_array, random_key
from vae_course.saving import write_whole

NAMES = ("mnist", "fashion_mnist", "kmnist")
STAND_IN = "digits"
FILES = {  # the IDX file that holds each array
    "x_train": "train-images-idx3-ubyte.gz",
    "y_train": "train-labels-idx1-ubyte.gz",
    "x_test": "t10k-images-idx3-ubyte.gz",
    "y_test": "t10k-labels-idx1-ubyte.gz",
}
HOST_TIMEOUT = 4  # seconds to wait for a first answer, before the stand-in
STALL_TIMEOUT = 20  # seconds without a byte, after which a download has failed


class DataWarning(UserWarning):
    """The data are not those that were asked for, or could not be kept."""


@dataclass(frozen=True)
class Dataset:
    """Images (n, 784) float32 in [0, 1], labels (n,) int32; `name` says which data."""

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    @property
    def is_stand_in(self) -> bool:
        return self.name == STAND_IN


def load(name: str) -> Dataset:
    """Loads "mnist", "fashion_mnist" or "kmnist".

    Looks in the cache folder ($VAE_COURSE_DATA, else the platform's), then downloads
    from the addresses that tensorflow-datasets registers, and checks its checksums.
    Without a network the data are a stand-in named "digits": scikit-learn's 8 x 8
    digits, enlarged and shifted, 20,000 for training and 2,000 for testing.

    Raises:
        ValueError: for a name that is not one of the three.
        RuntimeError: if a download that began fails, or is not what its checksum promises.
    Warns:
        DataWarning: if the stand-in takes the data's place, a cached file is not
            readable, or a download could not be kept.
    """
    if name not in NAMES:
        raise ValueError(f"no data set is called {name!r}: choose one of {', '.join(NAMES)}")
    path = cache_folder() / f"{name}.npz"
    arrays = _read(path)
    if arrays is None:
        try:
            files = registered(name)
            problem = unreachable(files["x_train"][0])
        except ImportError as error:
            problem = str(error)
        if problem:
            warnings.warn(_box(name, problem), DataWarning, stacklevel=2)
            return _dataset(STAND_IN, stand_in_arrays())
        try:
            arrays = {key: _decode_idx(_download(*file)) for key, file in files.items()}
        except Exception as error:  # requests, gzip and the decoder each raise their own
            raise RuntimeError(
                f"downloading {name} failed: {error}. Try again, or put a good "
                f"{path.name} into {path.parent}"
            ) from error
        _write(path, arrays)
    return _dataset(name, arrays)


def binarize(images: jax.Array, key: jax.Array) -> jax.Array:
    """One Bernoulli(grey) draw per pixel: float32 zeros and ones of the same shape.

    Raises:
        ValueError: if a value lies outside [0, 1]; inside compiled code it becomes NaN.
    """
    if not isinstance(images, jax.core.Tracer):
        images = jnp.asarray(float_array("images", images))
        low, high = np.min(images, initial=0), np.max(images, initial=1)
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):
            raise ValueError(
                f"images must lie in [0, 1], got values from {low:g} to {high:g}; "
                "divide bytes by 255"
            )
        random_key(key)
    inside = (images >= -ROUNDING) & (images <= 1 + ROUNDING)
    draws = jax.random.bernoulli(key, images).astype(jnp.float32)
    return jnp.where(inside, draws, jnp.nan)


def cache_folder() -> Path:
    """$VAE_COURSE_DATA where it is set, else this platform's folder for caches."""
    chosen = os.environ.get("VAE_COURSE_DATA") or platformdirs.user_cache_dir("vae_course")
    return Path(chosen).expanduser()


def registered(name: str) -> dict[str, tuple[str, str]]:
    """array -> the address and SHA-256 of its file, from tensorflow-datasets' list.

    Raises:
        ImportError: if tensorflow-datasets, or its list, is not there.
    """
    try:
        package = importlib.util.find_spec("tensorflow_datasets")  # importing it takes seconds
    except (AttributeError, ValueError) as error:  # a package so damaged that it has no place
        raise ImportError(f"tensorflow-datasets is damaged ({error})") from error
    if package is None:
        raise ImportError("tensorflow-datasets, which knows the addresses, is not installed")
    path = Path(package.submodule_search_locations[0]) / "url_checksums" / f"{name}.txt"
    if not path.is_file():
        raise ImportError(f"this tensorflow-datasets has no addresses of {name}")
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    urls = {url.rsplit("/", 1)[1]: (url, sha256) for url, _, sha256, *_ in lines}
    return {key: urls[file] for key, file in FILES.items()}


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


def stand_in_arrays() -> dict[str, np.ndarray]:
    """scikit-learn's 1,797 digits as bytes of 28 x 28: 20,000 for training, 2,000 for testing.

    Split by original first, then copied with small shifts: no test image has a
    shifted twin among the training images.
    """
    try:
        from scipy.ndimage import zoom  # these two take seconds to import
        from sklearn.datasets import load_digits
    except Exception as error:  # a neighbour built for another NumPy raises what it likes
        raise RuntimeError(
            f"the stand-in needs SciPy and scikit-learn, which do not load ({error}): install them "
            f"again, or put mnist.npz into {cache_folder()}"
        ) from error

    digits = load_digits()
    large = np.clip(zoom(digits.images / 16, (1, 2.5, 2.5), order=1), 0, 1)
    large = np.pad(np.round(255 * large).astype(np.uint8), ((0, 0), (4, 4), (4, 4)))
    rng = np.random.default_rng(0)
    order = rng.permutation(len(large))
    parts = {"train": (order[:1500], 20_000), "test": (order[1500:], 2_000)}
    arrays = {}
    for part, (originals, count) in parts.items():
        rows = np.resize(originals, count)
        shifts = rng.integers(-2, 3, size=(count, 2))
        copies = [np.roll(large[r], s, axis=(0, 1)) for r, s in zip(rows, shifts, strict=True)]
        arrays[f"x_{part}"] = np.stack(copies)
        arrays[f"y_{part}"] = digits.target[rows].astype(np.uint8)
    return arrays


def _download(url: str, sha256: str) -> bytes:
    import requests

    answer = requests.get(url, timeout=STALL_TIMEOUT)
    answer.raise_for_status()
    if hashlib.sha256(answer.content).hexdigest() != sha256:
        raise ValueError(f"what {url} sent does not have the registered checksum")
    return gzip.decompress(answer.content)


def _decode_idx(data: bytes) -> np.ndarray:
    """IDX: two zero bytes, a type (8 = byte), the number of axes, their sizes, the values."""
    zeros, kind, num_axes = struct.unpack(">HBB", data[:4])
    if zeros != 0 or kind != 8:
        raise ValueError("the downloaded file is not an IDX file of bytes")
    shape = struct.unpack(f">{num_axes}I", data[4 : 4 + 4 * num_axes])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * num_axes).reshape(shape)


def _dataset(name, arrays) -> Dataset:
    x_train, y_train, x_test, y_test = (arrays[key] for key in FILES)

    def flat(images):
        return images.reshape(len(images), -1).astype(np.float32) / 255

    return Dataset(
        name, flat(x_train), y_train.astype(np.int32), flat(x_test), y_test.astype(np.int32)
    )


def _read(path: Path):
    """The four arrays of a cache file, or None if it is missing or cannot be read."""
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {key: file[key] for key in FILES}
        _check(arrays)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # whatever is wrong with a cache, a new copy replaces it
        warnings.warn(
            f"ignoring the cache {path}, which cannot be read ({type(error).__name__}: {error})",
            DataWarning,
            stacklevel=3,
        )
        return None
    return arrays


def _check(arrays) -> None:
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if images.dtype != np.uint8 or images.shape[1:] != (28, 28) or len(images) == 0:
            raise ValueError(f"x_{part} is {images.dtype} {images.shape}, not uint8 (n, 28, 28)")
        if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
            raise ValueError(f"y_{part} is {labels.dtype} {labels.shape} for {len(images)} images")


def _write(path: Path, arrays) -> None:
    content = io.BytesIO()  # in memory first: a zip file cut short complains even when deleted
    np.savez_compressed(content, **arrays)
    try:
        write_whole(path, content.getbuffer())
    except OSError as error:
        warnings.warn(
            f"could not keep a copy in {path.parent} ({error.strerror}): "
            "it will be downloaded again next time",
            DataWarning,
            stacklevel=3,
        )


def _box(name: str, problem: str) -> str:
    lines = [
        f"{name} could not be downloaded: {problem}.",
        "",
        "This session uses a STAND-IN instead: scikit-learn's small handwritten",
        'digits, enlarged to 28 x 28 (its name is "digits"). Everything runs;',
        "the numbers differ, and claims about MNIST are not checked.",
        f"To fix this: connect and load again, or copy {name}.npz into",
        f"{cache_folder()}",
    ]
    return "\n" + "\n".join(f"│ {line}" for line in lines) + "\n"
