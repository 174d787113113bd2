"""Long runs that may be interrupted: what was done is on disk, and is not done again."""

import contextlib
import os
import time

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tqdm import tqdm

import vae_course as vc
from vae_course.saving import RunFolder
from vae_course.training import State


def train_in_pieces(model, losses, data, key, tx, batch_size, folder) -> tuple[dict, float]:
    """`vc.fit` with one loss an epoch, saved once in a while, going on where `folder` ends.

    Returns:
        seconds spent training, compiling included (on the clock; of all cores together), and the
        last epoch's loss.
    """
    _, params, rest = nnx.split(model, nnx.Param, ...)
    state, spent, loss = State(params, tx.init(params), key, 0, rest), np.zeros(2), np.nan
    with contextlib.closing(RunFolder(folder, {}, model)) as disk:
        if found := disk.restore(dict(params=state.params, opt_state=state.opt_state)):
            kept, record = found
            state = State(kept["params"], kept["opt_state"], key, disk.saved, rest)
            spent, loss = np.array(record["spent"]), record["loss"]
            nnx.update(model, state.params)
        done, data, start = state.epoch, jnp.asarray(data), clocks()
        for epoch in tqdm(range(done, len(losses)), initial=done, total=len(losses)):
            options = dict(num_epochs=1, batch_size=batch_size, tx=tx, state=state)
            history = vc.fit(model, losses[epoch], data, **options)
            if not len(history["loss"]):
                raise RuntimeError(f"epoch {epoch + 1} is not finite; {folder} holds an earlier")
            state, loss = history.state, float(history["loss"][0])
            trees = dict(params=state.params, opt_state=state.opt_state)
            record = {"spent": (spent + clocks() - start).tolist(), "loss": loss}
            disk.save(epoch + 1, trees, record, now=epoch + 1 == len(losses))
    if done < len(losses):
        spent = spent + clocks() - start
    return dict(zip(("seconds", "core_seconds"), spent.round().tolist(), strict=True)), loss


def clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def measure_in_pieces(bound, x, key, path, size: int = 250) -> np.ndarray:
    """bound(x, key) -> (batch,) over all rows of x, `size` at a time, each kept at once."""
    values = np.full(len(x), np.nan)
    if path.exists():
        values = np.load(path)
    starts = range(0, len(x), size)
    for first, piece_key in zip(tqdm(starts), jax.random.split(key, len(starts)), strict=True):
        rows = slice(first, first + size)
        if np.isnan(values[rows]).any():
            values[rows] = bound(x[rows], piece_key)
            path.parent.mkdir(exist_ok=True)
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                np.save(file, values)
            os.replace(part, path)
    return values
