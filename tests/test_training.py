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


@pytest.mark.parametrize("scan", [True, False])
def test_it_learns_the_least_squares_slope_in_place(scan):
    model = Line()
    history = vc.fit(
        model,
        squared_error,
        points(),
        key=jax.random.key(0),
        num_epochs=40,
        batch_size=20,
        tx=TX,
        scan=scan,
    )
    assert abs(float(model.slope[...][0, 0]) - 3) < 0.01
    assert set(history) == {"loss", "slope"}
    assert history["loss"].shape == (40,)
    assert history["loss"][-1] < 0.001 < history["loss"][0]


def test_scan_and_loop_take_the_same_steps():
    models = [Line(), Line()]
    histories = [
        vc.fit(m, squared_error, points(), key=k, num_epochs=3, batch_size=30, tx=TX, scan=scan)
        for m, k, scan in zip(
            models, [jax.random.key(0), jax.random.key(0)], [True, False], strict=True
        )
    ]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-5)


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
        (np.full((20, 3), np.nan, np.float32), {}, "NaN or infinite"),
        (np.full((20, 3), np.inf, np.float32), {}, "NaN or infinite"),
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
