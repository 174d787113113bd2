"""Long runs that may be interrupted: what was done is on disk, and is not done again."""

import os
import time

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tqdm import tqdm

from vae_course.training import _epoch

EVERY = 60  # seconds between two checkpoints


def train_in_pieces(model, losses, data, key, tx, batch_size, path) -> tuple[dict, float]:
    """`vc.fit` with one loss an epoch, saved every minute, going on where `path` ends.

    Returns:
        seconds spent training, compiling included (on the clock; of all cores together), and the
        last epoch's loss.
    """
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    leaves, structure = jax.tree.flatten((params, tx.init(params)))
    done, spent, loss = 0, np.zeros(2), np.nan
    if path.exists():
        with np.load(path) as file:
            done, spent, loss = int(file["done"]), file["spent"], float(file["loss"])
            leaves = [jnp.asarray(file[f"leaf{i}"]) for i in range(len(leaves))]
    state = jax.tree.unflatten(structure, leaves)
    static = dict(graphdef=graphdef, tx=tx, batch_size=batch_size)
    start, saved = clocks(), time.perf_counter()
    for epoch in tqdm(range(done, len(losses)), initial=done, total=len(losses)):
        state, metrics, finite = _epoch(
            state, rest, data, jax.random.fold_in(key, epoch + 1), loss_fn=losses[epoch], **static
        )
        if not finite:
            raise RuntimeError(f"epoch {epoch + 1} is not finite; {path} holds an earlier one")
        loss, now = float(metrics["loss"]), time.perf_counter()
        if now - saved > EVERY or epoch + 1 == len(losses):
            saved = now
            arrays = {f"leaf{i}": leaf for i, leaf in enumerate(jax.tree.leaves(state))}
            counts = dict(done=epoch + 1, spent=spent + clocks() - start, loss=loss)
            save(path, **arrays, **counts)
    if done < len(losses):
        spent = spent + clocks() - start
    nnx.update(model, state[0])
    return dict(zip(("seconds", "core_seconds"), spent.round().tolist(), strict=True)), loss


def clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def measure_in_pieces(bound, x, key, path, size: int = 250) -> np.ndarray:
    """bound(x, key) -> (batch,) over all rows of x, `size` at a time, each kept at once."""
    values = np.full(len(x), np.nan)
    if path.exists():
        with np.load(path) as file:
            values = file["values"]
    starts = range(0, len(x), size)
    for first, piece_key in zip(tqdm(starts), jax.random.split(key, len(starts)), strict=True):
        rows = slice(first, first + size)
        if np.isnan(values[rows]).any():
            values[rows] = bound(x[rows], piece_key)
            save(path, values=values)
    return values


def save(path, **arrays) -> None:
    """An npz file, written whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(part, path)
