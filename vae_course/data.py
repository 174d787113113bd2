"""Data: `load("mnist")` from a cache, from tensorflow-datasets, or a stand-in when offline.

Images are flat float32 in [0, 1]. `binarize` turns grey into black and white.
"""

import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import platformdirs

from vae_course import download
from vae_course.stand_in import stand_in_arrays

NAMES = ("mnist", "fashion_mnist", "kmnist")
STAND_IN = "digits"
KEYS = ("x_train", "y_train", "x_test", "y_test")


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
    through tensorflow-datasets with its registered checksums. Without a network it
    says so and returns a stand-in named "digits": scikit-learn's 8 x 8 digits,
    enlarged and shifted, 20,000 for training and 2,000 for testing.

    Raises:
        ValueError: for a name that is not one of the three.
        RuntimeError: if a download came but is not what its checksum promises.
    """
    if name not in NAMES:
        raise ValueError(f"no data set is called {name!r}: choose one of {', '.join(NAMES)}")
    path = cache_folder() / f"{name}.npz"
    arrays = _read(path)
    if arrays is None:
        try:
            url_infos = download.url_infos(name)
            problem = download.unreachable(next(iter(url_infos)))
        except ImportError as error:
            problem = f"tensorflow-datasets does not start ({error})"
        if problem:
            print(_box(name, problem))
            return _dataset(STAND_IN, stand_in_arrays())
        try:
            arrays = download.download(name, url_infos)
        except Exception as error:  # the manager, gzip and the decoder each raise their own
            raise RuntimeError(
                f"downloading {name} failed: {error}. Try again, or put a good "
                f"{path.name} into {path.parent}"
            ) from error
        _write(path, arrays)
    return _dataset(name, arrays)


def binarize(images: jax.Array, key: jax.Array) -> jax.Array:
    """One Bernoulli(grey) draw a pixel: float32 zeros and ones of the same shape.

    Raises:
        ValueError: if a value lies outside [0, 1] (checked outside compiled code).
    """
    if not isinstance(images, jax.core.Tracer):
        low, high = np.min(images), np.max(images)
        if not (low >= 0 and high <= 1):
            raise ValueError(
                f"images must lie in [0, 1], got values from {low:g} to {high:g}; "
                "divide bytes by 255"
            )
    return jax.random.bernoulli(key, images).astype(jnp.float32)


def cache_folder() -> Path:
    """$VAE_COURSE_DATA where it is set, else this platform's folder for caches."""
    chosen = os.environ.get("VAE_COURSE_DATA") or platformdirs.user_cache_dir("vae_course")
    return Path(chosen).expanduser()


def _dataset(name, arrays) -> Dataset:
    x_train, y_train, x_test, y_test = (arrays[key] for key in KEYS)

    def flat(images):
        return images.reshape(len(images), -1).astype(np.float32) / 255

    return Dataset(
        name, flat(x_train), y_train.astype(np.int32), flat(x_test), y_test.astype(np.int32)
    )


def _read(path: Path):
    """The four arrays of a cache file, or None if it is missing or of no use."""
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {key: file[key] for key in KEYS}
        _check(arrays)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # whatever is wrong with a cache, a new copy mends it
        print(f"The cached {path.name} is of no use ({type(error).__name__}: {error}).")
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
    """Writes beside the target and renames, so that no half-written cache is ever seen."""
    content = io.BytesIO()  # in memory first: a zip file cut short complains even when deleted
    np.savez_compressed(content, **arrays)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content.getbuffer())
            os.replace(part, path)
        except BaseException:
            os.unlink(part)
            raise
    except OSError as error:
        print(
            f"Could not keep a copy in {path.parent} ({error.strerror}): "
            "it will be downloaded again next time."
        )


def _box(name: str, problem: str) -> str:
    lines = [
        f"{name} could not be downloaded: {problem}.",
        "",
        "This session uses a STAND-IN instead: scikit-learn's small handwritten",
        'digits, enlarged to 28 x 28 (its name is "digits"). Everything runs;',
        "the numbers differ, and claims about MNIST are not checked.",
        f"To mend it: connect and load again, or put {name}.npz into",
        f"{cache_folder()}",
    ]
    width = max(len(line) for line in lines)
    rows = [f"│ {line:<{width}} │" for line in lines]
    return "\n".join(["┌" + "─" * (width + 2) + "┐", *rows, "└" + "─" * (width + 2) + "┘"])
