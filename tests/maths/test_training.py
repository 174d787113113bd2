"""`fit`: it learns what least squares knows, compiles once, and refuses bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import vae_course as vc
from vae_course import training

TX = optax.adam(0.05)


class Line(nnx.Module):
    def __init__(self):
        self.slope = nnx.Param(jnp.zeros((1, 1)))


def squared_error(model, batch, key):
    x, y = batch
    error = jnp.mean(jnp.square(x @ model.slope[...] - y))
    return error, {"slope": model.slope[...][0, 0]}


def points(num=100):
    x = np.random.default_rng(0).normal(size=(num, 1)).astype(np.float32)
    return x, 3 * x


@pytest.fixture(params=[True, False], ids=["an epoch a call", "a step a call"])
def by_epoch(request, monkeypatch):
    if not request.param:  # as where convolutions run on a CPU
        monkeypatch.setattr(training, "_has_convolution", lambda jaxpr: True)


def test_it_learns_the_least_squares_slope_in_place(by_epoch):
    model = Line()
    history = vc.fit(
        model, squared_error, points(), key=jax.random.key(0), num_epochs=40, batch_size=20, tx=TX
    )
    assert abs(float(model.slope[...][0, 0]) - 3) < 0.01
    assert set(history) == {"loss", "slope"}
    assert history["loss"].shape == (40,)
    assert history["loss"][-1] < 0.001 < history["loss"][0]


def test_scan_and_loop_take_the_same_steps(monkeypatch):
    def losses():
        options = {"key": jax.random.key(0), "num_epochs": 3, "batch_size": 30, "tx": TX}
        return vc.fit(Line(), squared_error, points(), **options)["loss"]

    by_epoch = losses()
    monkeypatch.setattr(training, "_has_convolution", lambda jaxpr: True)
    np.testing.assert_allclose(by_epoch, losses(), rtol=1e-5)


def test_a_convolution_on_a_cpu_is_not_put_into_a_scan(monkeypatch):
    class Image(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(1, 1, (3, 3), rngs=rngs)

    def loss(model, batch, key):
        return jnp.mean(jnp.square(model.conv(batch.reshape(-1, 4, 4, 1)) - 1)), {}

    def refuse(*args, **options):
        raise AssertionError("the epoch was compiled")

    steps = []
    by_steps = training._epoch_by_steps
    monkeypatch.setattr(
        training, "_epoch_by_steps", lambda *a, **k: (steps.append(1), by_steps(*a, **k))[1]
    )
    data = np.random.default_rng(0).normal(size=(20, 16)).astype(np.float32)
    history = vc.fit(
        Image(nnx.Rngs(0)), loss, data, key=jax.random.key(0), num_epochs=5, batch_size=10, tx=TX
    )
    assert len(steps) == (5 if jax.default_backend() == "cpu" else 0)
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.parametrize("split", [(5, 5), (1, 9), (9, 1)])
def test_going_on_is_as_if_training_had_never_stopped(split):
    options = {"batch_size": 30, "tx": TX}
    whole, parts = Line(), Line()
    at_once = vc.fit(
        whole, squared_error, points(), key=jax.random.key(0), num_epochs=10, **options
    )
    first = vc.fit(
        parts, squared_error, points(), key=jax.random.key(0), num_epochs=split[0], **options
    )
    fresh, seen = Line(), []  # the state holds the parameters: the model need not
    second = vc.fit(
        fresh, squared_error, points(), state=first.state, num_epochs=split[1],
        on_epoch_end=lambda epoch, model: seen.append(epoch), **options,
    )  # fmt: skip
    np.testing.assert_array_equal(np.concatenate([first["loss"], second["loss"]]), at_once["loss"])
    np.testing.assert_array_equal(fresh.slope[...], whole.slope[...])
    assert seen == list(range(split[0] + 1, 11))
    assert second.state.epoch == 10


def test_going_on_that_fails_at_once_leaves_what_the_state_holds():
    options = {"batch_size": 20, "tx": TX, "num_epochs": 2}
    trained, fresh = Line(), Line()
    state = vc.fit(trained, squared_error, points(), key=jax.random.key(0), **options).state

    def explodes(model, batch, key):
        loss, metrics = squared_error(model, batch, key)
        return loss * jnp.inf, metrics

    with pytest.raises(ValueError, match="not finite before the first step: The loss of row"):
        vc.fit(fresh, explodes, points(), state=state, **options)
    np.testing.assert_array_equal(fresh.slope[...], trained.slope[...])


def test_a_state_and_a_key_or_neither_or_another_models_are_refused():
    options = {"num_epochs": 1, "batch_size": 10, "tx": TX}
    state = vc.fit(Line(), squared_error, points(), key=jax.random.key(0), **options).state
    with pytest.raises(ValueError, match="one of the two"):
        vc.fit(Line(), squared_error, points(), **options)
    with pytest.raises(ValueError, match="one of the two"):
        vc.fit(Line(), squared_error, points(), key=jax.random.key(0), state=state, **options)
    with pytest.raises(ValueError, match="state is of another model"):
        vc.fit(vc.MLP((1, 1), rngs=nnx.Rngs(0)), squared_error, points(), state=state, **options)


def test_the_learning_rate_goes_up_to_its_peak_and_down_to_nothing():
    rates = np.array([vc.warmup_cosine(0.02, 1000)(step) for step in range(1001)])
    assert rates[0] == 0
    assert rates.argmax() == 200
    np.testing.assert_allclose([rates.max(), rates[600], rates[-1]], [0.02, 0.01, 0], atol=1e-6)
    short = np.array([vc.warmup_cosine(1.0, 40)(step) for step in range(41)])
    assert short.argmax() == 10


def test_every_row_is_visited_at_most_once_an_epoch_in_a_new_order():
    rows, _ = training._batches(jnp.arange(103), jax.random.key(1), 10)
    other, _ = training._batches(jnp.arange(103), jax.random.key(2), 10)
    assert rows.shape == (10, 10)
    assert len(set(rows.ravel().tolist())) == 100
    assert (rows != other).any()


def test_a_second_call_with_the_same_functions_does_not_compile_again():
    calls = []

    def counted(model, batch, key):
        calls.append(1)  # runs only while compiling
        return squared_error(model, batch, key)

    for seed in range(2):
        key = jax.random.key(seed)
        vc.fit(Line(), counted, points(), key=key, num_epochs=2, batch_size=10, tx=TX)
        if seed == 0:
            compiled = len(calls)
    assert len(calls) == compiled > 0


def test_variables_that_are_not_parameters_stay():
    decoder = vc.FourierDecoder(1, (4,), 1, num_frequencies=3, rngs=nnx.Rngs(0))
    before = np.array(decoder.frequencies[...])
    kernel = np.array(decoder.mlp.layers[0].kernel[...])

    def loss_fn(model, batch, key):
        return -jnp.mean(model.decode(batch).log_prob(jnp.ones((len(batch), 1)))), {}

    vc.fit(decoder, loss_fn, points()[0], key=jax.random.key(0), num_epochs=1, batch_size=10, tx=TX)
    np.testing.assert_array_equal(decoder.frequencies[...], before)
    assert (np.array(decoder.mlp.layers[0].kernel[...]) != kernel).any()


def test_it_stops_at_a_value_that_is_not_finite_and_keeps_the_last_good_epoch():
    model = Line()
    seen = []

    def fails_beyond_one(model, batch, key):
        loss, metrics = squared_error(model, batch, key)
        return jnp.where(model.slope[...][0, 0] > 1, jnp.nan, loss), metrics

    with pytest.warns(RuntimeWarning, match="not finite: training stopped.*learning rate"):
        history = vc.fit(
            model,
            fails_beyond_one,
            points(),
            key=jax.random.key(0),
            num_epochs=30,
            batch_size=25,
            tx=TX,
            on_epoch_end=lambda epoch, model: seen.append((epoch, float(model.slope[...][0, 0]))),
        )
    assert 0 < len(history["loss"]) < 30
    assert len(seen) == len(history["loss"])
    assert float(model.slope[...][0, 0]) == seen[-1][1]
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize(
    ("data", "changes", "message"),
    [
        (np.zeros((0, 3), np.float32), {}, "no rows"),
        (np.zeros((5, 3), np.float32), {}, "batch_size 10 is larger than the data .5 rows"),
        ((np.zeros((20, 3), np.float32), np.zeros(19)), {}, r"equal lengths, got \[20, 19\]"),
        (np.zeros((20, 3), np.uint8), {}, "uint8.*images / 255"),
        (np.full((20, 3), np.nan, np.float32), {}, "data is nan in row 0, column 0.*NaN or inf"),
        (np.full((20, 3), np.inf, np.float32), {}, "data is inf in row 0, column 0.*NaN or inf"),
        (np.float32(3), {}, "rows first"),
        ((), {}, "rows first"),
        (np.zeros((20, 3), np.float32), {"batch_size": 0}, "batch_size must be .* got 0"),
        (np.zeros((20, 3), np.float32), {"batch_size": 2.5}, "batch_size must be .* got 2.5"),
        (np.zeros((20, 3), np.float32), {"num_epochs": -1}, "num_epochs must be .* got -1"),
    ],
)
def test_bad_input_is_refused_before_any_work(data, changes, message):
    def never(model, batch, key):
        raise AssertionError("work was done")

    options = {"num_epochs": 1, "batch_size": 10, **changes}
    with pytest.raises(ValueError, match=message):
        vc.fit(Line(), never, data, key=jax.random.key(0), tx=TX, **options)


def test_the_callback_can_change_what_is_not_trained():
    class Weighted(nnx.Module):
        def __init__(self):
            self.param, self.weight = nnx.Param(jnp.zeros(1)), nnx.Variable(jnp.array(1.0))

    def loss(model, x, key):
        return model.weight[...] * (jnp.sum(model.param[...]) + jnp.mean(x)), {}

    def double(epoch, model):
        model.weight[...] = 2.0**epoch

    model = Weighted()
    history = vc.fit(
        model, loss, jnp.ones((4, 1)), key=jax.random.key(0), num_epochs=3, batch_size=4,
        tx=optax.sgd(0.0), on_epoch_end=double,
    )  # fmt: skip
    np.testing.assert_allclose(history["loss"], [1, 2, 4])


def model_and_epochs():
    """A model, and its slope after each epoch of a training that was not interrupted."""
    seen = []
    options = dict(key=jax.random.key(0), batch_size=20, tx=TX)
    vc.fit(
        Line(),
        squared_error,
        points(),
        num_epochs=3,
        **options,
        on_epoch_end=lambda epoch, model: seen.append(float(model.slope[...][0, 0])),
    )
    return Line(), seen, options


def test_training_interrupted_between_epochs_leaves_the_last_whole_epoch():
    model, seen, options = model_and_epochs()

    def interrupt(epoch, model):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="after epoch 2 of 9"):
        history = vc.fit(
            model, squared_error, points(), num_epochs=9, **options, on_epoch_end=interrupt
        )
    assert float(model.slope[...][0, 0]) == seen[1]
    assert len(history["loss"]) == history.state.epoch == 2


def test_training_interrupted_while_it_compiles_leaves_the_model_as_it_was():
    model, seen, options = model_and_epochs()

    def interrupted(model, batch, key):  # runs in Python only while it is compiled
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vc.fit(model, interrupted, points(), num_epochs=9, **options)
    assert float(model.slope[...][0, 0]) == 0
    vc.fit(model, squared_error, points(), num_epochs=1, **options)
    assert float(model.slope[...][0, 0]) == seen[0]
