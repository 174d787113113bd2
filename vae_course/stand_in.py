"""Data for a machine with no network: small handwritten digits that come with scikit-learn."""

import numpy as np


def stand_in_arrays() -> dict[str, np.ndarray]:
    """scikit-learn's 1,797 digits as bytes of 28 x 28: 20,000 for training, 2,000 for testing.

    Split by original first, then copied with small shifts: no test image has a
    shifted twin among the training images.
    """
    from scipy.ndimage import zoom  # these two take seconds to import
    from sklearn.datasets import load_digits

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
