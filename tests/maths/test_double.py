"""With jax_enable_x64 everything runs in 64 bits, and is exact to that precision."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import integrate, stats

import vae_course as vc


@pytest.fixture(autouse=True)
def double():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.parametrize("logit", [1e-6, 0.01, 0.0999, -0.09, 0.1001, 2.0])
def test_the_continuous_bernoulli_is_exact(logit):
    p = vc.distributions.ContinuousBernoulli(jnp.array([logit]))
    total, _ = integrate.quad(lambda x: np.exp(logit * x), 0, 1, epsabs=1e-14)
    first, _ = integrate.quad(lambda x: x * np.exp(logit * x), 0, 1, epsabs=1e-14)
    log_prob = float(p.log_prob(jnp.array([0.3])))
    assert log_prob == pytest.approx(0.3 * logit - np.log(total), abs=2e-11)
    assert float(p.mean[0]) == pytest.approx(first / total, abs=1e-9)


def linear_gaussian():
    rng = np.random.default_rng(0)
    model = vc.LinearGaussian(rng.normal(size=(4, 2)), rng.normal(size=4), 0.3)
    return model, rng.normal(size=(6, 4))


def test_estimators_of_a_linear_gaussian_model_are_exact():
    model, x = linear_gaussian()
    weights = np.asarray(model.weights)
    covariance = weights @ weights.T + 0.3 * np.eye(4)
    exact = stats.multivariate_normal(np.asarray(model.bias), covariance).logpdf(x)
    q, key = model.posterior(x), jax.random.key(0)
    np.testing.assert_allclose(model.log_likelihood(x), exact, rtol=1e-12)
    np.testing.assert_allclose(vc.iwae(model, q, x, key, num_samples=3), exact, rtol=1e-11)
    weights = vc.ais(model, q, x, jax.random.clone(key), num_chains=2, num_steps=3)
    np.testing.assert_allclose(vc.log_mean_exp(weights), exact, rtol=1e-10)
    np.testing.assert_allclose(vc.grid_log_likelihood(model, x), exact, atol=1e-6)
    best = vc.fit_posterior(model, vc.prior_of(model), x, jax.random.key(1))
    assert best.mean.dtype == np.float64
    lost = model.exact_elbo(model.best_diagonal(x), x) - model.exact_elbo(best, x)
    assert 0 <= float(lost.min()) <= float(lost.max()) < 0.1


def test_training_and_measuring_stay_in_64_bits():
    def loss(vae, x, key):
        return -vc.elbo(vae, vae.encode(x), x, key).mean()

    vae = vc.VAE(2, (8,), 6, rngs=0)
    x = (np.random.default_rng(1).random((64, 6)) < 0.5).astype(float)
    options = {"num_epochs": 3, "batch_size": 16, "tx": optax.adam(1e-2)}
    history = vc.fit(vae, loss, x, key=jax.random.key(0), **options)
    assert history["loss"].dtype == np.float64
    found = vc.evaluate(vae, vae.encode, x, jax.random.key(1), num_samples=10_000)
    exact = vc.grid_log_likelihood(vae, x).mean()
    assert found.mean == pytest.approx(exact, abs=0.01)
