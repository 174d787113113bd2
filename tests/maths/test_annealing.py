"""Annealed importance sampling against closed forms and quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import vae_course as vc
from vae_course import annealing


def linear_gaussian(latent_dim, data_dim, num_rows, seed=0):
    """A model, draws of it, and the z that they came from."""
    weight_key, z_key, x_key, key = jax.random.split(jax.random.key(seed), 4)
    weights = jax.random.normal(weight_key, (data_dim, latent_dim)) / np.sqrt(latent_dim)
    model = vc.LinearGaussian(weights, jnp.zeros(data_dim), 1.0)
    z = jax.random.normal(z_key, (num_rows, latent_dim))
    return model, model.decode(z).sample(x_key), z, key


def standard_error(log_weights):
    """Of the mean over images of log mean weight, by the delta method."""
    shares = np.asarray(jax.nn.softmax(log_weights, axis=0), dtype=float)
    variances = (shares**2).sum(axis=0) - 1 / len(shares)
    return np.sqrt(variances.sum()) / shares.shape[1]


@pytest.mark.parametrize("latent_dim", [10, 50])
def test_up_and_down_agree_with_the_exact_value(latent_dim):
    model, x, z, key = linear_gaussian(latent_dim, 60, 16)
    up_key, down_key = jax.random.split(key)
    exact = model.log_likelihood(x)
    options = {"num_chains": 64, "num_steps": 1000, "num_leapfrog": 5}
    prior = vc.prior_of(model)
    up = vc.ais(model, prior, x, up_key, **options)
    off = float((vc.log_mean_exp(up) - exact).mean())
    assert standard_error(up) < 0.05
    assert abs(off) < 4 * standard_error(up)
    options["num_chains"] = 8
    upper = -vc.log_mean_exp(vc.reverse_ais(model, prior, x, z, down_key, **options))
    excess = np.asarray(upper - exact)
    assert abs(excess.mean()) < 4 * excess.std(ddof=1) / 4 + 0.1  # chains share their start


def test_agrees_with_quadrature_of_a_decoder_with_two_latents():
    decoder = vc.Decoder(2, (16,), 40, rngs=nnx.Rngs(0))
    for layer in decoder.mlp.layers:
        layer.kernel[...] *= 4  # posteriors far narrower than the prior
    z_key, x_key, key = jax.random.split(jax.random.key(1), 3)
    x = decoder.decode(jax.random.normal(z_key, (20, 2))).sample(x_key)
    prior = vc.prior_of(decoder)
    log_weights = vc.ais(decoder, prior, x, key, num_chains=64, num_steps=500)
    off = float((vc.log_mean_exp(log_weights) - vc.grid_log_likelihood(decoder, x)).mean())
    assert standard_error(log_weights) < 0.02
    assert abs(off) < 0.1


def test_a_single_step_is_unbiased_too():
    model, x, _, key = linear_gaussian(1, 3, 4)
    prior = vc.prior_of(model)
    log_weights = vc.ais(model, prior, x, key, num_chains=4096, num_steps=1)
    off = float((vc.log_mean_exp(log_weights) - model.log_likelihood(x)).mean())
    assert abs(off) < 4 * standard_error(log_weights) < 0.2


def test_from_the_posterior_every_chain_has_the_exact_weight():
    model, x, _, key = linear_gaussian(1, 5, 3)
    log_weights = vc.ais(model, model.posterior(x), x, key, num_chains=5, num_steps=7)
    exact = jnp.broadcast_to(model.log_likelihood(x), log_weights.shape)
    np.testing.assert_allclose(log_weights, exact, atol=1e-4)


def test_rows_that_do_not_fill_a_block(monkeypatch):
    monkeypatch.setattr(annealing, "CHAINS_AT_ONCE", 128)  # two rows of 64 chains at a time
    model, x, _, key = linear_gaussian(2, 4, 5)
    prior = vc.prior_of(model)
    log_weights = vc.ais(model, prior, x, key, num_chains=64, num_steps=100)
    assert log_weights.shape == (64, 5)
    errors = np.asarray(vc.log_mean_exp(log_weights) - model.log_likelihood(x))
    assert np.abs(errors).max() < 0.5  # each row has its own weights


def test_bad_input_is_refused():
    model, x, z, key = linear_gaussian(2, 4, 3)
    prior = vc.prior_of(model)
    with pytest.raises(ValueError, match="num_steps must be a positive integer, got 0"):
        vc.ais(model, prior, x, key, num_steps=0)
    with pytest.raises(ValueError, match=r"posterior_sample must have shape \(3, 2\)"):
        vc.reverse_ais(model, prior, x, z[:2], key)
    with pytest.raises(ValueError, match=r"batch_shape \(2,\); for 3 rows"):
        vc.ais(model, vc.Gaussian(z[:2], z[:2]), x, key)
    with pytest.raises(ValueError, match="one image is x"):
        vc.ais(model, prior, x[0], key)
