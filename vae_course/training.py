"""A training loop. Only its complaints know what a VAE is.

`fit` minimises any loss_fn(model, batch, key) -> (scalar, dict of scalars). The
data go to the device once, and each epoch is one compiled call.
"""

import contextlib
import inspect
import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from vae_course.bounds import facts_of
from vae_course.checks import (
    float_array,
    function,
    not_finite_in,
    outside,
    outside_sentence,
    positive_integer,
    positive_number,
    random_key,
)
from vae_course.compiling import Static, equations, split, without_values
from vae_course.devices import everywhere, shared_out
from vae_course.saving import RunFolder, different_arrays, named_arrays
from vae_course.streaming import progress

LARGE = 100  # size of data that are better scaled first


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """What training goes on from: parameters, the optimiser's state, the key, epochs done.

    rest: what else the model holds, such as running averages and dropout's counters.
    """

    params: Any
    opt_state: Any
    key: jax.Array
    epoch: int
    rest: Any


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
    validation=None,
    patience: int | None = None,
    on_epoch_end: Callable | None = None,
    state: State | None = None,
    folder=None,
) -> History:
    """Trains `model` in place and returns its history.

    Each epoch visits the rows of `data` once, in a new random order; an incomplete last
    batch is dropped. Calling again with the same loss_fn and tx (the same objects) does
    not compile again. Once an epoch is done, an interrupt (Ctrl-C, the stop button) ends training
    with a warning, and the model and the history are those of the epochs done.

    Under `jax.set_mesh` with Auto axes each batch is shared out among the devices.

    Args:
        model: what it holds besides parameters (running averages, dropout's counters) is
            kept from step to step too, if it is in an nnx.Variable.
        loss_fn: (model, batch, key) -> (scalar, dict of scalars), or the scalar alone; a
            named function.
        data: an array, or a tuple of arrays of equal length, rows first; frames and lists
            of rows are taken too.
        tx: the optimiser, from optax; it is given the loss as `value`, too, which
            optax.contrib.reduce_on_plateau and optax.lbfgs ask for. A schedule counts the
            steps in the optimiser's state: with `state` or `folder` it goes on, with a key
            it starts anew. Make it for the steps of all calls together.
        validation: like `data`: after each epoch the loss and the metrics of all its rows, in
            evaluation mode and with the same key each time, go into the history, as
            "validation_loss" and so on.
        patience: stop early, after so many epochs without a new lowest validation loss. The
            model is then that of the best epoch; `history.state` is the last epoch's. With
            `state` the count begins anew.
        on_epoch_end: called as on_epoch_end(epoch, model), epoch from 1. Training stops if it
            returns True. It may change what is not an nnx.Param, such as a weight of the
            loss kept in the model.
        state: instead of a key, `history.state` of an earlier call: training goes on from
            there for num_epochs more, as if it had never stopped. It holds all that the
            model holds; the model given is overwritten.
        folder: where the training is kept, once in a while and at its end (a twentieth of the
            time at most). The same call goes on from there, after a kill, say, with the
            same result as if nothing had happened; num_epochs are all of them. Other data,
            another key, size or kind of model are refused; the numbers in tx, loss_fn and the
            initial weights are taken on trust.
    Returns:
        "loss" and each metric, averaged over the epoch: arrays (num_epochs,),
        shorter if training stopped. `history.state` holds what to go on from.
    Raises:
        ValueError: for bad data, sizes or epochs, parameters that are not finite, and for
            both or neither of key and state, before any work; if the loss is not finite
            before the first step, with the row of data and its value that make it so; if
            loss_fn returns something else, or the model changes what no nnx.Variable holds;
            if `folder` holds another training.
        Whatever on_epoch_end or the disk raise, with the history so far as `error.history`.
    Warns:
        RuntimeWarning: if an epoch is not finite (the model keeps the last good one), if
            training was interrupted, or if going on moves nothing, since a schedule has ended.
    """
    data = _checked(data)
    num_epochs = positive_integer("num_epochs", num_epochs)
    batch_size = positive_integer("batch_size", batch_size)
    num_rows = len(jax.tree.leaves(data)[0])
    if batch_size > num_rows:
        raise ValueError(f"batch_size {batch_size} is larger than the data ({num_rows} rows)")
    if (key is None) == (state is None):
        raise ValueError("fit needs a key to start with, or a state to go on from: one of the two")
    if folder is not None and state is not None:
        raise ValueError("a folder holds the state to go on from: give it with a key alone")
    if not isinstance(model, nnx.Module):
        raise ValueError(f"fit trains an nnx.Module, got a {type(model).__name__}")
    _check_called(loss_fn)
    if on_epoch_end is not None:
        function("on_epoch_end", on_epoch_end)
    if not (hasattr(tx, "init") and hasattr(tx, "update")):
        raise ValueError(f"tx is an optimiser, such as optax.adam(1e-3); got {tx!r}")
    if validation is not None:
        validation = _checked(validation, "validation")
        _check_alike(data, validation)
    if patience is not None:
        patience = positive_integer("patience", patience)
        if validation is None:
            raise ValueError("patience needs validation data, whose loss says when to stop")
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    if not isinstance(state, State | None):
        raise ValueError(f"state is history.state of an earlier call, got a {type(state).__name__}")
    start = State(params, tx.init(params), jnp.zeros(()), 0, rest)
    if state is None:
        state = replace(start, key=random_key(key))
    elif difference := different_arrays(named_arrays(_arrays(state)), named_arrays(_arrays(start))):
        raise ValueError(f"state is of another model or optimiser: {difference}")
    state = everywhere(replace(state, rest=_as_arrays(state.rest)))
    if culprit := not_finite_in(state.params, "the model's"):
        raise ValueError(f"{culprit}, before any training: start from a new model")
    run = Run(state, best=None if patience is None else (state.params, state.rest))
    disk = None
    if folder is not None:
        disk = RunFolder(folder, _started(key, batch_size, patience, data, validation), model)
        run = _restored(disk, run, num_epochs)
    num_epochs += state.epoch
    nnx.update(model, run.state.params, run.state.rest)
    static = {"graphdef": Static(graphdef), "loss_fn": loss_fn, "tx": tx, "batch_size": batch_size}
    try:
        try:
            _train(run, model, data, validation, patience, num_epochs, on_epoch_end, disk, static)
        finally:
            last = run.state.params, run.state.rest
            nnx.update(model, *(last if patience is None else run.best))
            if disk is not None:
                with contextlib.closing(disk):
                    run.keep(disk, now=True)
    except KeyboardInterrupt:
        if not run.metrics:  # nothing to keep
            raise
        warnings.warn(
            f"training was interrupted: the model is as it was after epoch {run.state.epoch} of "
            f"{num_epochs}; state=history.state goes on",
            RuntimeWarning,
            stacklevel=2,
        )
    except Exception as error:
        error.history = run.history()
        raise
    return run.history()


@dataclass
class Run:
    """How far a training has come: its state, the metrics of each epoch, and the best epoch."""

    state: State
    best: tuple | None  # parameters and rest, if there is patience
    metrics: list = field(default_factory=list)
    is_over: bool = False

    def history(self) -> History:
        names = self.metrics[0] if self.metrics else ["loss"]
        kind = jnp.result_type(float)
        history = History({n: np.array([row[n] for row in self.metrics], kind) for n in names})
        history.state = self.state
        return history

    def epochs_since_best(self) -> int:
        losses = [row["validation_loss"] for row in self.metrics]
        return len(losses) - 1 - int(np.argmin(losses))

    def arrays(self) -> dict:
        """What goes to disk, besides numbers. The key is the caller's."""
        return _arrays(self.state) | {"best": self.best}

    def keep(self, disk: RunFolder, *, now: bool = False) -> None:
        record = {"metrics": self.metrics, "is_over": self.is_over}
        disk.save(self.state.epoch, self.arrays(), record, now=now)


def _arrays(state: State) -> dict:
    return dict(params=state.params, opt_state=state.opt_state, rest=state.rest)


def _train(run, model, data, validation, patience, num_epochs, on_epoch_end, disk, static) -> None:
    state = run.state
    if run.is_over or state.epoch >= num_epochs:
        return
    data, validation, first = everywhere(data), everywhere(validation), state.epoch + 1
    trained = state.params, state.rest, state.opt_state
    if validation is not None:
        _, culprit = _validated(model, trained, validation, state.key, static)
        if culprit:
            raise ValueError(f"the validation loss is not finite before the first step: {culprit}")
    run_epoch = _epoch_for(trained, data, state.key, static)
    with progress(num_epochs - state.epoch, "epoch") as bar:
        for number in range(first, num_epochs + 1):
            before, epoch_key = trained, everywhere(jax.random.fold_in(state.key, number))
            trained, metrics, is_finite = run_epoch(trained, data, epoch_key, **static)
            culprit = None
            if not is_finite:
                batches = _batches(data, jax.random.clone(epoch_key), static["batch_size"])
                fixed = {name: static[name] for name in ("graphdef", "loss_fn")}
                culprit = _bad_row(model, before, data, zip(*batches, strict=True), "data", **fixed)
                if culprit and number == first:
                    raise ValueError(f"the loss is not finite before the first step: {culprit}")
            row = {name: value.item() for name, value in jax.device_get(metrics).items()}
            if is_finite and validation is not None:
                measured, culprit = _validated(model, trained, validation, state.key, static)
                row |= measured
            if culprit or not is_finite:
                warnings.warn(_not_finite(number, culprit, data), RuntimeWarning, stacklevel=3)
                return
            if run.metrics and row.keys() != run.metrics[0].keys():
                raise ValueError(
                    f"the epochs before have metrics {', '.join(run.metrics[0])}, this loss_fn and "
                    f"its validation give {', '.join(row)}"
                )
            params, rest, opt_state = trained
            if number == first > 1 and _same(params, before[0]):
                warnings.warn(_MOVES_NOTHING, RuntimeWarning, stacklevel=3)
            done = State(params, opt_state, state.key, number, rest)
            run.state, run.metrics = done, [*run.metrics, row]  # at once, for an interrupt
            nnx.update(model, params, rest)
            if patience is not None:
                run.best = (params, rest) if run.epochs_since_best() == 0 else run.best
                run.is_over = run.epochs_since_best() >= patience
            bar.update()
            bar.set_postfix({name: f"{value:.2f}" for name, value in row.items()})
            if on_epoch_end is not None:
                stop = on_epoch_end(number, model)
                run.is_over |= _is_true(stop)
                rest = everywhere(_as_arrays(nnx.split(model, nnx.Param, ...)[2]))
                trained = params, rest, opt_state
                run.state = replace(done, rest=rest)
            if run.is_over:
                return
            if disk is not None:
                run.keep(disk)


def _is_true(value) -> bool:
    """Whether it is True, Python's, NumPy's or JAX's; no other value is."""
    kinds = bool | np.bool_ | np.ndarray | jax.Array
    return (
        isinstance(value, kinds) and np.array_equal(value, True) and np.asarray(value).dtype == bool
    )


_MOVES_NOTHING = (
    "the first epoch after going on moved no parameter: if the learning rate's schedule has come "
    "to its end, make it for the steps of all calls together, vc.warmup_cosine(peak, all steps)"
)


def _started(key, batch_size: int, patience, data, validation) -> dict:
    """What makes two trainings the same, as JSON has it; the program is taken on trust."""
    started = {
        "key": jax.random.key_data(key).tolist(),
        "batch_size": batch_size,
        "patience": patience,
    }
    for name, arrays in {"data": data, "validation": validation}.items():
        arrays = jax.tree.leaves(arrays)
        started[f"shape of {name}"] = [list(array.shape) for array in arrays]
        started[f"checksum of {name}"] = [zlib.crc32(np.ascontiguousarray(a)) for a in arrays]
    return started


def _restored(disk: RunFolder, run: Run, num_epochs: int) -> Run:
    found = disk.restore(run.arrays())
    if found is None:
        return run
    arrays, record = found
    metrics = record["metrics"]
    if len(metrics) > num_epochs:
        raise ValueError(
            f"{disk.folder} holds {len(metrics)} epochs, more than num_epochs={num_epochs}: "
            "num_epochs counts those that are done, too"
        )
    best = arrays.pop("best")
    state = State(key=run.state.key, epoch=len(metrics), **arrays)
    return Run(state, best, metrics, record["is_over"])


def _same(tree, other) -> bool:
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def _validated(model, trained, data, key, static) -> tuple[dict, str | None]:
    """Loss and metrics over all rows, in evaluation mode, and the row that is not finite."""
    copy = nnx.merge(static["graphdef"].value, *trained[:2])
    copy.eval()
    graphdef, *arrays = nnx.split(copy, nnx.Param, ...)
    fixed = dict(graphdef=Static(graphdef), loss_fn=static["loss_fn"])
    size, num_rows = static["batch_size"], len(jax.tree.leaves(data)[0])
    key, total = jax.random.fold_in(key, 0), {}  # epochs count from 1
    batches = [
        (jnp.arange(first, min(first + size, num_rows)), everywhere(jax.random.fold_in(key, first)))
        for first in range(0, num_rows, size)
    ]
    for rows, own_key in batches:
        loss, metrics = _loss_at(arrays, data, rows, own_key, **fixed)
        for name, value in {"loss": loss, **metrics}.items():
            name = f"validation_{name}"
            total[name] = total.get(name, 0.0) + len(rows) / num_rows * value
    total = {name: float(value) for name, value in total.items()}
    if np.isfinite(total["validation_loss"]):
        return total, None
    culprit = _bad_row(model, arrays, data, batches, "validation", **fixed)
    return {}, culprit or "The mean of the validation loss overflows"


def warmup_cosine(peak: float, num_steps: int) -> optax.Schedule:
    """The learning rate of all lessons: up from 0 to `peak`, then down to 0 along a cosine.

    Args:
        num_steps: of the whole training; the first 200 of them, or a quarter if that is
            less, lead up.
    """
    num_steps = positive_integer("num_steps", num_steps)
    peak = positive_number("peak", peak)
    return optax.warmup_cosine_decay_schedule(0, peak, min(200, num_steps // 4), num_steps)


def _check_called(loss_fn) -> None:
    """Raises ValueError if it cannot be called as loss_fn(model, batch, key)."""
    try:
        inspect.signature(function("loss_fn", loss_fn)).bind(None, None, None)
    except TypeError as error:
        raise ValueError(f"fit calls loss_fn(model, batch, key): {error}") from None


def _step(state, data, rows, key, *, graphdef, loss_fn, tx):
    params, rest, opt_state = state
    batch = jax.tree.map(lambda array: shared_out(array[rows]), data)

    def loss_of(params):
        own = jax.tree.map(lambda leaf: leaf, rest)  # the model may change it while it computes
        model = nnx.merge(graphdef.value, params, own)
        before = _plain_attributes(model)
        loss, metrics = _called(loss_fn, model, batch, key)
        return loss, ({"loss": loss, **metrics}, _rest_of(model, before, rest))

    (loss, (metrics, rest)), grads = jax.value_and_grad(loss_of, has_aux=True)(params)
    extra = dict(value=loss, grad=grads, value_fn=lambda params: loss_of(params)[0])
    update = optax.with_extra_args_support(tx).update
    updates, opt_state = update(grads, opt_state, params, **extra)
    return everywhere(((optax.apply_updates(params, updates), rest, opt_state), metrics))


def _called(loss_fn, model, batch, key):
    """The loss and the metrics; ValueError if loss_fn returns something else."""
    with without_values("loss_fn"):
        found = loss_fn(model, batch, key)
    loss, metrics = found if isinstance(found, tuple) and len(found) == 2 else (found, {})
    kinds = jax.Array | np.ndarray | np.generic | float | int
    if not isinstance(metrics, Mapping) or not all(
        isinstance(value, kinds) for value in (loss, *metrics.values())
    ):
        raise ValueError(
            "loss_fn must return a scalar, or a scalar and a dict of scalars; got "
            f"{type(found).__name__}"
        )
    for name in metrics:
        if not isinstance(name, str) or name == "loss":
            raise ValueError(f"a metric needs a name of its own, not {name!r}")
    named = {f"the metric {name!r}": value for name, value in metrics.items()}
    for name, value in {"the loss": loss, **named}.items():
        if jnp.shape(value):
            raise ValueError(
                f"{name} must be a scalar, got shape {jnp.shape(value)}: average over the batch"
            )
    if not jnp.issubdtype(jnp.result_type(loss), jnp.floating):
        raise ValueError(f"the loss must be a real number to have slopes, got {loss!r}")
    return loss, metrics


def _plain_attributes(model) -> dict:
    """What the modules hold that is no array: Python's numbers and words, by place."""
    modules = ((p, m) for p, m in nnx.iter_graph(model) if isinstance(m, nnx.Module))
    kinds = (bool, int, float, str, tuple, type(None))
    return {
        ".".join(map(str, (*path, name))): value
        for path, module in modules
        for name, value in vars(module).items()
        if isinstance(value, kinds) and not name.startswith("_pytree")
    }


def _rest_of(model, before: dict, rest):
    """What the model holds besides parameters, after a step; shapes and types as before."""
    nnx.pop(model, nnx.Intermediate)  # what `sow` has left is of one step only
    after = _plain_attributes(model)
    changed = [name for name in after if name not in before or after[name] != before[name]]
    _, _, new = nnx.split(model, nnx.Param, ...)
    if changed or jax.tree.structure(new) != jax.tree.structure(rest):
        raise ValueError(
            f"the model changes {', '.join(changed) or 'its own parts'} while it computes, which "
            "compiled steps cannot keep: hold it as nnx.Variable(jnp.array(...)), made in __init__"
        )
    return jax.tree.map(_kept_as, new, rest)


def _kept_as(new, old):
    if jnp.shape(new) != jnp.shape(old):
        raise ValueError(
            f"a variable of the model changes its shape from {jnp.shape(old)} to {jnp.shape(new)} "
            "while it computes; compiled steps need one shape"
        )
    return new if new.dtype == old.dtype else new.astype(old.dtype)


def _as_arrays(tree):
    return jax.tree.map(lambda leaf: leaf if hasattr(leaf, "dtype") else jnp.asarray(leaf), tree)


def _batches(data, key, batch_size):
    """Shuffled row numbers (num_batches, batch_size), and a key for each batch."""
    num_rows = len(jax.tree.leaves(data)[0])
    num_batches = num_rows // batch_size
    shuffle_key, step_key = jax.random.split(key)
    rows = jax.random.permutation(shuffle_key, num_rows)[: num_batches * batch_size]
    return rows.reshape(num_batches, batch_size), jax.random.split(step_key, num_batches)


def _summary(state, metrics):
    metrics = jax.tree.map(jnp.mean, metrics)
    leaves = [a for a in jax.tree.leaves((metrics, *state[:2])) if _is_float(a)]
    return everywhere(
        (metrics, jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves])))
    )


def _is_float(array) -> bool:
    return jnp.issubdtype(array.dtype, jnp.floating)


_compiled_step = jax.jit(_step, static_argnames=("graphdef", "loss_fn", "tx"))


@partial(jax.jit, static_argnames=("graphdef", "loss_fn", "tx", "batch_size"))
def epoch(state, data, key, *, batch_size, **static):
    """One epoch, one compiled call: the inside of `fit`, for loops of one's own.

    Args:
        state: (params, rest, opt_state), of `graphdef, params, rest = nnx.split(model,
            nnx.Param, ...)`.
        data: an array or a tuple of arrays, rows first, on the device.
        static: graphdef (as `compiling.Static`), loss_fn and tx, as for `fit`.
    Returns:
        the new state, the means of the metrics, and whether all of it is finite.
    """

    def scan_step(state, inputs):
        return _compiled_step(state, data, *inputs, **static)

    state, metrics = jax.lax.scan(scan_step, state, _batches(data, key, batch_size))
    return state, *_summary(state, metrics)


def _epoch_by_steps(state, data, key, *, batch_size, **static):
    history = []
    for rows, step_key in zip(*_batches(data, key, batch_size), strict=True):
        state, metrics = _compiled_step(state, data, rows, step_key, **static)
        history.append(metrics)
    return state, *_summary(state, jax.tree.map(lambda *m: jnp.stack(m), *history))


def _epoch_for(state, data, key, static):
    """One compiled call an epoch; a call for each step where convolutions run on a CPU.

    There the gradients of a convolution crawl inside a scan.
    """
    if jax.default_backend() != "cpu":
        return epoch
    traced = epoch.trace(state, data, key, **static)  # kept for the call that follows
    return _epoch_by_steps if _has_convolution(traced.jaxpr.jaxpr) else epoch


def _has_convolution(jaxpr) -> bool:
    return any(e.primitive.name == "conv_general_dilated" for e in equations(jaxpr))


def _checked(data, called: str = "data"):
    """`data` as JAX's arrays on the device: an array, or a tuple of arrays."""
    several = isinstance(data, tuple)
    if isinstance(data, list) and len(data) and all(hasattr(a, "shape") for a in data):
        several = any(np.ndim(a) > 1 for a in data)  # not the rows of one array
    arrays = tuple(data) if several else (data,)
    if not arrays or any(np.ndim(a) == 0 for a in arrays):
        raise ValueError(f"{called} must be an array or a tuple of arrays, rows first")
    names = [f"array {number} of {called}" if several else called for number in range(len(arrays))]
    first = float_array(names[0], arrays[0])
    arrays = first, *(_labels(name, a) for name, a in zip(names[1:], arrays[1:], strict=True))
    lengths = [len(a) for a in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"the arrays of {called} must have equal lengths, got {lengths}")
    if lengths[0] == 0:
        raise ValueError(f"{called} is empty: no rows")
    arrays = tuple(map(jnp.asarray, arrays))
    return arrays if several else arrays[0]


def _check_alike(data, validation) -> None:
    columns, others = ([a.shape[1:] for a in jax.tree.leaves(d)] for d in (data, validation))
    if columns != others or jax.tree.structure(data) != jax.tree.structure(validation):
        raise ValueError(
            f"validation must be like data: its rows have shapes {others}, those of data {columns}"
        )


def _labels(name: str, values):
    """Whole numbers stay what they are."""
    whole = np.asarray(values).dtype.kind in "iub"
    return np.asarray(values) if whole else float_array(name, values)


@partial(jax.jit, static_argnames=("graphdef", "loss_fn"))
def _loss_at(state, data, rows, key, *, graphdef, loss_fn):
    model = nnx.merge(graphdef.value, *state[:2])
    batch = jax.tree.map(lambda array: shared_out(array[rows]), data)
    return everywhere(_called(loss_fn, model, batch, key))


def _bad_row(model, state, data, batches, called, *, graphdef, loss_fn) -> str | None:
    """The row whose loss is not finite although nothing has been learnt from it yet.

    batches: (row numbers, key) of each.
    """

    def is_finite(rows, key):
        key = jax.random.clone(key)
        loss, _ = _loss_at(state, data, rows, key, graphdef=graphdef, loss_fn=loss_fn)
        return np.isfinite(loss)

    for rows, key in batches:
        if is_finite(rows, key):
            continue
        for row in np.asarray(rows).tolist():
            if not is_finite(jnp.array([row]), key):
                return _named_row(model, np.asarray(jax.tree.leaves(data)[0]), row, called)
        return f"The loss of a batch is not finite, that of row {int(rows[0])} and others"
    return None


def _named_row(model, data: np.ndarray, row: int, called: str) -> str:
    values = data[row].ravel()
    support = _support_of(model, data[row])
    if support is not None:
        bad = np.zeros(data.shape, bool)
        bad[row] = outside(data[row], support)
        if bad.any():
            return outside_sentence(called, data, bad, support)
    column = int(np.abs(values).argmax())
    return (
        f"The loss of row {row} is not finite; its largest value is {values[column]:g}, in column "
        f"{column}. Standardise the columns, (data - mean) / std, or scale the data to about 1"
    )


def _support_of(model, row) -> tuple[float, float] | None:
    try:
        return facts_of(split(model), row[None]).support
    except (AttributeError, TypeError, ValueError):  # no model of p(x | z) for these rows
        return None


def _not_finite(epoch, culprit, data):
    advice = culprit or "A smaller learning rate is the first thing to try"
    if not culprit:
        values = np.asarray(jax.tree.leaves(data)[0])
        largest = np.unravel_index(np.abs(values).argmax(), values.shape)
        if abs(values[largest]) > LARGE:
            place = ", ".join(f"{n} {i}" for n, i in zip(("row", "column"), largest, strict=False))
            advice += (
                f"; the second is the scale of the data, {values[largest]:g} in {place}: "
                "standardise them, (data - mean) / std"
            )
    return (
        f"epoch {epoch} ended with values that are not finite: training stopped, the model is "
        f"as it was after epoch {epoch - 1}. {advice}."
    )
