"""`fit` that stops and goes on: killed, interrupted, stopped early; the result is the same."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import vae_course as vc
from vae_course import saving

EPOCHS, BATCH = 10, 20
NUM_STEPS = EPOCHS * 100 // BATCH
SCHEDULED = optax.adam(vc.warmup_cosine(0.02, NUM_STEPS))  # the lessons' schedule
BY_MOMENTUM = optax.sgd(0.01, momentum=0.9)


class Noisy(nnx.Module):
    """With a parameter, batch norm's averages and dropout's counter: all that a state holds."""

    def __init__(self, seed=0):
        rngs = nnx.Rngs(seed)
        self.linear = nnx.Linear(3, 3, rngs=rngs)
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)

    def __call__(self, x):
        return self.dropout(self.norm(self.linear(x)))


def squared_error(model, batch, key):
    x, y = batch
    noise = 0.01 * jax.random.normal(key, y.shape)
    return jnp.mean(jnp.square(model(x) - y + noise)), {"size": jnp.mean(jnp.square(y))}


def points(num=100, seed=0):
    x = np.random.default_rng(seed).normal(size=(num, 3)).astype(np.float32)
    return x, x @ np.float32([[1, 2, 0], [0, 1, -1], [1, 0, 1]])


def fit(model, *, tx=SCHEDULED, num_epochs=EPOCHS, data=None, **options):
    if "state" not in options:
        options.setdefault("key", jax.random.key(0))
    data = points() if data is None else data
    fixed = dict(num_epochs=num_epochs, batch_size=BATCH, tx=tx)
    return vc.fit(model, squared_error, data, **fixed, **options)


def assert_same(model, other):
    jax.tree.map(
        np.testing.assert_array_equal,
        *(saving.named_arrays(nnx.state(one)) for one in (model, other)),
    )


@pytest.fixture(scope="module")
def whole():
    model = Noisy()
    return model, fit(model)


def test_ten_calls_are_one(whole):
    model, losses = Noisy(), []
    history = fit(model, num_epochs=1)
    losses.extend(history["loss"])
    for _ in range(EPOCHS - 1):
        history = fit(Noisy(1), num_epochs=1, state=history.state)
        losses.extend(history["loss"])
    last = Noisy(2)
    nnx.update(last, history.state.params, history.state.rest)
    assert_same(last, whole[0])
    np.testing.assert_array_equal(losses, whole[1]["loss"])


def test_going_on_after_the_end_of_a_schedule_says_that_nothing_moves(whole):
    history = fit(Noisy(), num_epochs=EPOCHS)
    with pytest.warns(RuntimeWarning, match="moved no parameter"):
        fit(Noisy(), num_epochs=1, state=history.state)


SCRIPT = """
import sys, time
sys.path.insert(0, {here!r})
import test_going_on as t

def slowly(epoch, model):
    print(epoch, flush=True)
    time.sleep(0.1)

model = t.Noisy()
t.fit(model, folder={folder!r}, on_epoch_end=slowly)
t.vc.save({folder!r} + "/done", model)
"""


def test_a_training_that_is_killed_goes_on_from_its_folder(whole, tmp_path):
    here, folder = str(Path(__file__).parent), str(tmp_path / "run")
    command = [sys.executable, "-c", SCRIPT.format(here=here, folder=folder)]
    settings = os.environ | {"TQDM_DISABLE": "1"}
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=settings)
    for line in first.stdout:
        if int(line) == 4:
            first.send_signal(signal.SIGKILL)
            break
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    again = subprocess.run(command, capture_output=True, text=True, env=settings, check=True)
    epochs = [int(line) for line in again.stdout.split()]
    assert 1 < epochs[0] <= 5, "the second process goes on, and does not begin anew"
    assert epochs[-1] == EPOCHS
    model = vc.load_model(tmp_path / "run" / "done", Noisy(3))
    assert_same(model, whole[0])
    model = Noisy(4)  # the same call once more does nothing, and tells all
    history = fit(model, folder=folder)
    assert_same(model, whole[0])
    for name, values in whole[1].items():
        np.testing.assert_array_equal(history[name], values)


def test_a_folder_is_gone_on_with_for_more_epochs(whole, tmp_path):
    fit(Noisy(), num_epochs=4, folder=tmp_path)
    model = Noisy(1)
    history = fit(model, folder=tmp_path)
    assert_same(model, whole[0])
    np.testing.assert_array_equal(history["loss"], whole[1]["loss"])
    assert history.state.epoch == EPOCHS


def test_a_folder_of_another_training_is_refused_and_stays(tmp_path):
    fit(Noisy(), num_epochs=2, folder=tmp_path)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    x, y = points()
    for message, options in {
        r"another key \(\[0, 0\], this one has \[0, 1\]\)": {"key": jax.random.key(1)},
        "another checksum of data": {"data": (x, y + 1)},
        "another shape of data": {"data": (x[:60], y[:60])},
        "another model or optimiser": {"tx": BY_MOMENTUM},
        "another shape of validation": {"validation": (x, y)},
        "holds 2 epochs, more than num_epochs=1": {"num_epochs": 1},
    }.items():
        with pytest.raises(ValueError, match=message):
            fit(Noisy(), **{"num_epochs": 3} | options, folder=tmp_path)
    with pytest.raises(ValueError, match="another model: the kind is Noisy there, and MLP here"):
        fit(vc.MLP((3, 4, 3), rngs=0), num_epochs=3, folder=tmp_path)
    state = fit(Noisy(), num_epochs=1).state
    with pytest.raises(ValueError, match="a folder holds the state"):
        fit(Noisy(), state=state, folder=tmp_path)
    assert kept == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_folder_of_another_loss_is_refused_and_stays_good(whole, tmp_path):
    def bare(model, batch, key):
        return squared_error(model, batch, key)[0]

    fit(Noisy(), num_epochs=4, folder=tmp_path)
    fixed = dict(key=jax.random.key(0), num_epochs=EPOCHS, batch_size=BATCH, tx=SCHEDULED)
    with pytest.raises(ValueError, match="have metrics loss, size, this loss_fn .* give loss"):
        vc.fit(Noisy(), bare, points(), **fixed, folder=tmp_path)
    model = Noisy()
    fit(model, folder=tmp_path)
    assert_same(model, whole[0])


def test_a_state_of_other_sizes_or_another_optimiser_is_refused():
    state = fit(vc.MLP((3, 5, 3), rngs=0), num_epochs=1).state
    for message, model, tx in (
        (r"its \S+ has shape \(5,\), this one's \(4,\)", vc.MLP((3, 4, 3), rngs=0), SCHEDULED),
        ("it has", vc.MLP((3, 5, 3), rngs=0), BY_MOMENTUM),
    ):
        with pytest.raises(ValueError, match=f"another model or optimiser: {message}"):
            fit(model, num_epochs=1, state=state, tx=tx)


def test_a_disk_that_is_full_at_the_end_costs_the_copy_only(whole, tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving.RunFolder, "save", full)
    model = Noisy()
    with pytest.raises(OSError, match="No space left") as raised:
        fit(model, num_epochs=2, folder=tmp_path)
    assert len(raised.value.history["loss"]) == raised.value.history.state.epoch
    wanted = Noisy()
    fit(wanted, num_epochs=raised.value.history.state.epoch)
    assert_same(model, wanted)


def test_a_training_that_fails_at_once_leaves_no_folder(tmp_path):
    x, y = points()
    with pytest.raises(ValueError, match="not finite before the first step"):
        fit(Noisy(), data=(x, 1e30 * y), folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    for bad, got in (({}, "a dict"), ("", "''")):
        with pytest.raises(ValueError, match=f"folder must be the name of a place .*, got {got}"):
            fit(Noisy(), folder=bad)


def test_a_folder_of_another_kind_of_model_is_refused(tmp_path):
    def train(activation):
        mlp = vc.MLP((3, 4, 3), activation=activation, rngs=0)
        return fit(mlp, num_epochs=1, folder=tmp_path)

    train(nnx.silu)
    train(nnx.silu)
    with pytest.raises(ValueError, match="another model: the activation is silu there, and tanh"):
        train(jnp.tanh)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # orbax's own
def test_a_damaged_folder_is_named(tmp_path):
    fit(Noisy(), num_epochs=1, folder=tmp_path)
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        good = path.read_bytes()
        for bad in (b"", good[: len(good) // 2], b"[]", None):
            path.write_bytes(bad) if bad is not None else path.unlink()
            with contextlib.suppress(ValueError):  # some files are notes that nobody needs
                fit(Noisy(), num_epochs=1, folder=tmp_path)
        path.write_bytes(good)
    fit(Noisy(), num_epochs=1, folder=tmp_path)


def test_an_interrupt_while_it_is_saved_is_heard_afterwards(whole, tmp_path, monkeypatch):
    save, calls = saving.RunFolder.save, []

    def interrupted(self, *args, **options):
        if len(calls) == 2 and not options["now"]:
            real = self.manager.save

            def half_way(*words, **more):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)  # where Python would hear it
                return real(*words, **more)

            monkeypatch.setattr(self.manager, "save", half_way)
            self.next = 0
        calls.append(1)
        return save(self, *args, **options)

    monkeypatch.setattr(saving.RunFolder, "save", interrupted)
    with pytest.warns(RuntimeWarning, match="after epoch 3 of 10"):
        history = fit(Noisy(), folder=tmp_path)
    np.testing.assert_array_equal(history["loss"], whole[1]["loss"][:3])
    monkeypatch.undo()
    model = Noisy()
    fit(model, folder=tmp_path)
    assert_same(model, whole[0])


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="is a file: training needs a folder"):
        fit(Noisy(), folder=tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_validation_is_in_evaluation_mode_on_all_rows_with_one_key():
    model, held_out = Noisy(), points(33, seed=1)
    measured = []

    def by_hand(epoch, model):
        copy = nnx.clone(model)
        copy.eval()
        total, key = 0.0, jax.random.fold_in(jax.random.key(0), 0)
        for first in (0, 20):  # one batch and what is left
            part = tuple(a[first : first + 20] for a in held_out)
            loss, _ = squared_error(copy, part, jax.random.fold_in(key, first))
            total += len(part[0]) / 33 * float(loss)
        measured.append(total)

    history = fit(model, num_epochs=3, validation=held_out, on_epoch_end=by_hand)
    np.testing.assert_allclose(history["validation_loss"], measured, rtol=1e-5)
    assert set(history) == {"loss", "size", "validation_loss", "validation_size"}
    alone = Noisy()
    fit(alone, num_epochs=3)
    assert_same(model, alone)  # looking changes nothing


class Falling(nnx.Module):
    """Its validation loss falls to 0 at the fourth epoch and rises again."""

    def __init__(self):
        self.place = nnx.Param(jnp.zeros(1))


def distance(model, x, key):
    target = jnp.mean(x)
    return jnp.mean(jnp.abs(model.place[...] - target)), {}


@pytest.mark.parametrize("in_folder", [False, True])
def test_patience_stops_and_leaves_the_best_epochs_model(tmp_path, in_folder):
    options = dict(key=jax.random.key(0), batch_size=1, tx=optax.sgd(1.0), patience=3)
    options |= dict(validation=np.full((1, 1), 4.0), num_epochs=50)
    options |= {"folder": tmp_path} if in_folder else {}
    for _ in range(2):  # the second call finds the training over
        model = Falling()
        history = vc.fit(model, distance, np.full((1, 1), 99.0), **options)
        np.testing.assert_array_equal(history["validation_loss"], [3, 2, 1, 0, 1, 2, 3])
        assert float(model.place[...][0]) == 4
        assert float(history.state.params["place"][...][0]) == history.state.epoch == 7
        if not in_folder:
            break


def test_true_from_on_epoch_end_stops_and_nothing_else_does():
    history = fit(Noisy(), on_epoch_end=lambda epoch, model: epoch == 3)
    assert len(history["loss"]) == history.state.epoch == 3
    for true in (np.bool_(True), jnp.array(True), np.array(True)):
        assert len(fit(Noisy(), on_epoch_end=lambda epoch, model, t=true: t)["loss"]) == 1
    for other in (1, 1.0, "True", [True], np.ones(2, bool), jnp.array(1.0), [[1], [1, 2]], False):
        history = fit(Noisy(), num_epochs=2, on_epoch_end=lambda epoch, model, o=other: o)
        assert len(history["loss"]) == 2


@pytest.mark.parametrize("name", ["loss", 3])
def test_a_metric_needs_a_name_of_its_own(name):
    def loss(model, batch, key):
        found = squared_error(model, batch, key)[0]
        return found, {name: found}

    with pytest.raises(ValueError, match=f"a metric needs a name of its own, not {name!r}"):
        vc.fit(
            Noisy(), loss, points(), key=jax.random.key(0), num_epochs=1, batch_size=5, tx=SCHEDULED
        )


def test_a_history_is_no_state():
    history = fit(Noisy(), num_epochs=1)
    with pytest.raises(
        ValueError, match=r"state is history.state of an earlier call, got a History"
    ):
        fit(Noisy(), state=history)


def test_what_on_epoch_end_raises_brings_the_history():
    def fail(epoch, model):
        if epoch == 2:
            raise OSError("the disk is full")

    model, wanted = Noisy(), Noisy()
    with pytest.raises(OSError, match="disk is full") as raised:
        fit(model, on_epoch_end=fail)
    history = fit(wanted, num_epochs=2)
    np.testing.assert_array_equal(raised.value.history["loss"], history["loss"])
    assert_same(model, wanted)


def test_an_interrupt_keeps_model_history_and_folder(whole, tmp_path):
    def interrupt(epoch, model):
        if epoch == 4:
            raise KeyboardInterrupt

    model = Noisy()
    with pytest.warns(RuntimeWarning, match="after epoch 4 of 10"):
        history = fit(model, folder=tmp_path, on_epoch_end=interrupt)
    np.testing.assert_array_equal(history["loss"], whole[1]["loss"][:4])
    for options in ({"state": history.state, "num_epochs": 6}, {"folder": tmp_path}):
        model = Noisy(1)
        fit(model, **options)
        assert_same(model, whole[0])


def test_validation_that_cannot_be_right_is_named_before_training():
    x, y = points(30)
    with pytest.raises(ValueError, match=r"validation must be like data: .*\(4,\)"):
        fit(Noisy(), validation=(np.ones((5, 4)), np.ones((5, 3))))
    y[7, 2] = np.nan
    with pytest.raises(ValueError, match="array 1 of validation is nan in row 7, column 2"):
        fit(Noisy(), validation=(x, y))
    y[7, 2] = 3e30
    with pytest.raises(ValueError, match="validation loss is not finite before.*row 7"):
        fit(Noisy(), validation=(x, y))
    with pytest.raises(ValueError, match="patience needs validation"):
        fit(Noisy(), patience=3)
    with pytest.raises(ValueError, match="patience must be a positive integer, got 0"):
        fit(Noisy(), patience=0, validation=points(30))


class Growing(nnx.Module):
    def __init__(self):
        self.size = nnx.Param(jnp.ones(()))


@pytest.mark.parametrize(("data", "validation"), [(1.0, 2e9), (2e9, 1.0)])
def test_values_that_overflow_in_time_stop_training_and_leave_the_last_good_model(data, validation):
    """The size grows tenfold an epoch; (value * size)^4 overflows at the second or so."""

    def loss(model, x, key):
        held = jax.lax.stop_gradient(jnp.mean(x * model.size[...]) ** 4)
        return held - model.size[...]

    def tenfold(updates, state, params):
        return jax.tree.map(lambda p: 9 * p, params), state

    tx = optax.GradientTransformation(lambda params: optax.EmptyState(), tenfold)
    model = Growing()
    fixed = dict(key=jax.random.key(0), num_epochs=5, batch_size=2, tx=tx)
    x, held_out = np.full((2, 1), data), np.full((2, 1), validation)
    with pytest.warns(RuntimeWarning, match="ended with values that are not finite"):
        history = vc.fit(model, loss, x, validation=held_out, **fixed)
    done = history.state.epoch
    assert 0 <= done < 5
    assert len(history["loss"]) == done
    assert float(model.size[...]) == 10**done


@pytest.mark.parametrize(
    "tx",
    [
        optax.chain(optax.sgd(1e-3), optax.contrib.reduce_on_plateau(patience=2)),
        optax.lbfgs(),
    ],
    ids=["reduce_on_plateau", "lbfgs"],
)
def test_optimisers_that_ask_for_the_loss_get_it(tx):
    model = vc.MLP((3, 3), rngs=0)
    fixed = dict(key=jax.random.key(0), batch_size=100, num_epochs=20, tx=tx)
    history = vc.fit(model, without_noise, points(), **fixed)
    assert history["loss"][-1] < history["loss"][0]


def without_noise(model, batch, key):
    return jnp.mean(jnp.square(model(batch[0]) - batch[1]))


def test_lbfgs_finds_the_least_squares_solution():
    model = vc.MLP((3, 3), rngs=0)
    options = dict(key=jax.random.key(0), batch_size=100, num_epochs=40, tx=optax.lbfgs())
    vc.fit(model, without_noise, points(), **options)
    x, y = points()
    wanted = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)[0]
    np.testing.assert_allclose(model.layers[0].kernel[...], wanted[:3], atol=1e-3)


def test_a_plateau_lowers_the_rate():
    class Still(nnx.Module):
        def __init__(self):
            self.place = nnx.Param(jnp.zeros(1))

    def flat(model, x, key):
        return 0.0 * jnp.sum(model.place[...]) + 1.0

    tx = optax.chain(optax.sgd(1.0), optax.contrib.reduce_on_plateau(patience=2, factor=0.5))
    options = dict(key=jax.random.key(0), num_epochs=9, batch_size=4, tx=tx)
    history = vc.fit(Still(), flat, np.zeros((4, 1)), **options)
    scale = float(history.state.opt_state[1].scale)
    assert 0 < scale < 0.5
