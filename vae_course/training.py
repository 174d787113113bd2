"""A training loop. Nothing in this file knows what a VAE is.

`fit` minimises any loss_fn(model, batch, key) -> (scalar, dict of scalars). The
data go to the device once, and each epoch is one compiled call.
"""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from tqdm import tqdm


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """What training goes on from: parameters, the optimiser's state, the key, epochs done."""

    params: Any
    opt_state: Any
    key: jax.Array
    epoch: int


class History(dict):
    """Arrays (num_epochs,) by name: "loss" and each metric. `state` is where training stopped."""

    state: State


def fit(
    model: nnx.Module,
    loss_fn: Callable,
    data,
    *,
    key: jax.Array | None = None,
    num_epochs: int,
    batch_size: int,
    tx: optax.GradientTransformation,
    on_epoch_end: Callable | None = None,
    state: State | None = None,
) -> History:
    """Trains `model` in place and returns its history.

    Each epoch visits the rows of `data` once, in a new random order; an incomplete last
    batch is dropped. Calling again with the same loss_fn and tx (the same objects) does
    not compile again.

    Args:
        loss_fn: (model, batch, key) -> (scalar, dict of scalars), a named function.
        data: an array, or a tuple of arrays of equal length, rows first.
        tx: the optimiser, from optax.
        on_epoch_end: called as on_epoch_end(epoch, model), epoch from 1. It may change
            what is not an nnx.Param, such as a weight of the loss kept in the model.
        state: instead of a key, `history.state` of an earlier call: training goes on from
            there for num_epochs more, as if it had never stopped.
    Returns:
        "loss" and each metric, averaged over the epoch: arrays (num_epochs,),
        shorter if training stopped. `history.state` holds what to go on from.
    Raises:
        ValueError: for bad data, sizes or epochs, and for both or neither of key and state,
            before any work.
    Warns:
        RuntimeWarning: if an epoch is not finite; the model keeps the last good one.
    """
    arrays = data if isinstance(data, tuple) else (data,)
    _check(arrays, num_epochs, batch_size)
    if (key is None) == (state is None):
        raise ValueError("fit needs a key to start with, or a state to go on from: one of the two")
    data = jax.tree.map(jnp.asarray, data)
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    if state is None:
        state = State(params, tx.init(params), key, 0)
    elif jax.tree.structure(state.params) != jax.tree.structure(params):
        raise ValueError("state is of another model: its parameters have other names or number")
    static = {"graphdef": graphdef, "loss_fn": loss_fn, "tx": tx, "batch_size": batch_size}
    trained = state.params, state.opt_state
    run_epoch = _epoch_for(trained, rest, data, state.key, static)
    rows = []
    # stdout, because notebooks show stderr in red.
    with tqdm(total=num_epochs, unit="epoch", leave=False, file=sys.stdout) as bar:
        for number in range(state.epoch + 1, state.epoch + num_epochs + 1):
            epoch_key = jax.random.fold_in(state.key, number)
            trained, metrics, finite = run_epoch(trained, rest, data, epoch_key, **static)
            if not finite:
                warnings.warn(_not_finite(number), RuntimeWarning, stacklevel=2)
                break
            nnx.update(model, trained[0])
            state = State(*trained, state.key, number)
            rows.append(jax.device_get(metrics))
            bar.update()
            bar.set_postfix({name: f"{value:.2f}" for name, value in rows[-1].items()})
            if on_epoch_end is not None:
                on_epoch_end(number, model)
                _, _, rest = nnx.split(model, nnx.Param, ...)
    history = History({name: np.array([row[name] for row in rows]) for name in metrics})
    history.state = state
    return history


def warmup_cosine(peak: float, num_steps: int) -> optax.Schedule:
    """The learning rate of all lessons: up from 0 to `peak`, then down to 0 along a cosine.

    Args:
        num_steps: of the whole training; the first 200 of them, or a quarter if that is
            less, lead up.
    """
    return optax.warmup_cosine_decay_schedule(0, peak, min(200, num_steps // 4), num_steps)


def _step(state, rest, data, rows, key, *, graphdef, loss_fn, tx):
    params, opt_state = state
    batch = jax.tree.map(lambda array: array[rows], data)

    def loss_of(params):
        own = jax.tree.map(lambda leaf: leaf, rest)  # the model may change it while it computes
        loss, metrics = loss_fn(nnx.merge(graphdef, params, own), batch, key)
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


_compiled_step = jax.jit(_step, static_argnames=("graphdef", "loss_fn", "tx"))


@partial(jax.jit, static_argnames=("graphdef", "loss_fn", "tx", "batch_size"))
def epoch(state, rest, data, key, *, batch_size, **static):
    """One epoch, one compiled call: the inside of `fit`, for loops of one's own.

    Args:
        state: (params, opt_state). rest: what of the model is not trained, of
            `graphdef, params, rest = nnx.split(model, nnx.Param, ...)`.
        data: an array or a tuple of arrays, rows first, on the device.
        static: graphdef, loss_fn and tx, as for `fit`.
    Returns:
        the new state, the means of the metrics, and whether all of it is finite.
    """

    def scan_step(state, inputs):
        return _compiled_step(state, rest, data, *inputs, **static)

    state, metrics = jax.lax.scan(scan_step, state, _batches(data, key, batch_size))
    return state, *_summary(state, metrics)


def _epoch_by_steps(state, rest, data, key, *, batch_size, **static):
    history = []
    for rows, step_key in zip(*_batches(data, key, batch_size), strict=True):
        state, metrics = _compiled_step(state, rest, data, rows, step_key, **static)
        history.append(metrics)
    return state, *_summary(state, jax.tree.map(lambda *m: jnp.stack(m), *history))


def _epoch_for(state, rest, data, key, static):
    """One compiled call an epoch; a call for each step where convolutions run on a CPU.

    There the gradients of a convolution crawl inside a scan.
    """
    if jax.default_backend() != "cpu":
        return epoch
    traced = epoch.trace(state, rest, data, key, **static)  # kept for the call that follows
    return _epoch_by_steps if _has_convolution(traced.jaxpr.jaxpr) else epoch


def _has_convolution(jaxpr) -> bool:
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            return True
        for inner in jax.tree.leaves(
            tuple(equation.params.values()), is_leaf=lambda p: hasattr(p, "eqns")
        ):
            inner = getattr(inner, "jaxpr", inner)  # of a closed one
            if hasattr(inner, "eqns") and _has_convolution(inner):
                return True
    return False


def _check(arrays, num_epochs, batch_size):
    if not arrays or any(jnp.ndim(a) == 0 for a in arrays):
        raise ValueError("data must be an array or a tuple of arrays, rows first")
    lengths = [len(a) for a in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"the arrays of data must have equal lengths, got {lengths}")
    if lengths[0] == 0:
        raise ValueError("data is empty: no rows")
    for name, value in {"num_epochs": num_epochs, "batch_size": batch_size}.items():
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")
    if batch_size > lengths[0]:
        raise ValueError(f"batch_size {batch_size} is larger than the data ({lengths[0]} rows)")
    if not jnp.issubdtype(arrays[0].dtype, jnp.floating):
        raise ValueError(
            f"the images are {arrays[0].dtype}; fit needs floats: images / 255 for bytes, "
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
