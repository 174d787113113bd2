"""A training loop. Nothing in this file knows what a VAE is.

`fit` minimises any loss_fn(model, batch, key) -> (scalar, dict of scalars). The
data go to the device once, and each epoch is one compiled call.
"""

import sys
import warnings
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from tqdm import tqdm


def fit(
    model: nnx.Module,
    loss_fn: Callable,
    data,
    *,
    key: jax.Array,
    num_epochs: int,
    batch_size: int,
    tx: optax.GradientTransformation,
    scan: bool = True,
    on_epoch_end: Callable | None = None,
) -> dict[str, np.ndarray]:
    """Trains `model` in place and returns its history.

    Each epoch visits the rows of `data` once, in a new random order; rows that do
    not fill a last batch wait for another epoch. Calling again with the same
    loss_fn and tx (the same objects) does not compile again.

    Args:
        loss_fn: (model, batch, key) -> (scalar, dict of scalars), a named function.
        data: an array, or a tuple of arrays of equal length, rows first.
        tx: the optimiser, from optax.
        scan: False runs one compiled call a step instead of an epoch. Needed for
            convolutions on a CPU, whose gradients crawl inside a scan.
        on_epoch_end: called as on_epoch_end(epoch, model), epoch from 1. It may change
            what is not an nnx.Param, such as a weight of the loss kept in the model.
    Returns:
        "loss" and each metric, averaged over the epoch: arrays (num_epochs,),
        shorter if training stopped.
    Raises:
        ValueError: for bad data, sizes or epochs, before any work.
    Warns:
        RuntimeWarning: if an epoch is not finite; the model keeps the last good one.
    """
    arrays = data if isinstance(data, tuple) else (data,)
    _check(arrays, num_epochs, batch_size)
    batches_of = jax.tree.map(jnp.asarray, data)
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    state = (params, tx.init(params))
    static = {"graphdef": graphdef, "loss_fn": loss_fn, "tx": tx, "batch_size": batch_size}
    run_epoch = _epoch if scan else _epoch_by_steps
    history = []
    # On stdout: what comes on stderr a notebook paints in the colour of errors.
    with tqdm(total=num_epochs, unit="epoch", leave=False, file=sys.stdout) as bar:
        for epoch, epoch_key in enumerate(jax.random.split(key, num_epochs), start=1):
            state, metrics, finite = run_epoch(state, rest, batches_of, epoch_key, **static)
            if not finite:
                warnings.warn(_not_finite(epoch), RuntimeWarning, stacklevel=2)
                break
            nnx.update(model, state[0])
            history.append(jax.device_get(metrics))
            bar.update()
            bar.set_postfix({name: f"{value:.2f}" for name, value in history[-1].items()})
            if on_epoch_end is not None:
                on_epoch_end(epoch, model)
                _, _, rest = nnx.split(model, nnx.Param, ...)
    return {name: np.array([row[name] for row in history]) for name in metrics}


def _step(state, rest, data, rows, key, *, graphdef, loss_fn, tx):
    params, opt_state = state
    batch = jax.tree.map(lambda array: array[rows], data)

    def loss_of(params):
        loss, metrics = loss_fn(nnx.merge(graphdef, params, rest), batch, key)
        return loss, {"loss": loss, **metrics}

    (_, metrics), grads = jax.value_and_grad(loss_of, has_aux=True)(params)
    updates, opt_state = tx.update(grads, opt_state, params)
    return (optax.apply_updates(params, updates), opt_state), metrics


def _batches(data, key, batch_size):
    """Shuffled row numbers (num_batches, batch_size), and a key for each batch."""
    num_rows = len(jax.tree.leaves(data)[0])
    num_batches = num_rows // batch_size
    shuffle_key, step_key = jax.random.split(key)
    rows = jax.random.permutation(shuffle_key, num_rows)[: num_batches * batch_size]
    return rows.reshape(num_batches, batch_size), jax.random.split(step_key, num_batches)


def _summary(state, metrics):
    metrics = jax.tree.map(jnp.mean, metrics)
    leaves = jax.tree.leaves((metrics, state[0]))
    return metrics, jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))


@partial(jax.jit, static_argnames=("graphdef", "loss_fn", "tx", "batch_size"))
def _epoch(state, rest, data, key, *, batch_size, **static):
    def scan_step(state, inputs):
        return _step(state, rest, data, *inputs, **static)

    state, metrics = jax.lax.scan(scan_step, state, _batches(data, key, batch_size))
    return state, *_summary(state, metrics)


_compiled_step = jax.jit(_step, static_argnames=("graphdef", "loss_fn", "tx"))


def _epoch_by_steps(state, rest, data, key, *, batch_size, **static):
    history = []
    for rows, step_key in zip(*_batches(data, key, batch_size), strict=True):
        state, metrics = _compiled_step(state, rest, data, rows, step_key, **static)
        history.append(metrics)
    return state, *_summary(state, jax.tree.map(lambda *m: jnp.stack(m), *history))


def _check(arrays, num_epochs, batch_size):
    if not arrays or any(jnp.ndim(a) == 0 for a in arrays):
        raise ValueError("data must be an array or a tuple of arrays, rows first")
    lengths = [len(a) for a in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"the arrays of data must have equal lengths, got {lengths}")
    if lengths[0] == 0:
        raise ValueError("data is empty: no rows")
    for name, value in {"num_epochs": num_epochs, "batch_size": batch_size}.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")
    if batch_size > lengths[0]:
        raise ValueError(f"batch_size {batch_size} is larger than the data ({lengths[0]} rows)")
    if not jnp.issubdtype(arrays[0].dtype, jnp.floating):
        raise ValueError(
            f"the images are {arrays[0].dtype}; fit wants floats: images / 255 for bytes, "
            "images.astype('float32') for zeros and ones"
        )
    for number, array in enumerate(arrays):
        if jnp.issubdtype(array.dtype, jnp.floating) and not np.isfinite(array).all():
            raise ValueError(f"array {number} of data has values that are NaN or infinite")


def _not_finite(epoch):
    return (
        f"epoch {epoch} ended with values that are not finite: training stopped, the model is "
        f"as it was after epoch {epoch - 1}. A smaller learning rate is the first thing to try."
    )
