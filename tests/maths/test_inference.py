"""Evaluation against the linear-Gaussian model, where every part of the gap has a formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.optimize import minimize

import vae_course as vc
from vae_course import inference
from vae_course.inference import active_units, evaluate, fit_posterior, gaps


@pytest.fixture(scope="module")
def model_and_x():
    w_key, x_key = jax.random.split(jax.random.key(0))
    model = vc.LinearGaussian(jax.random.normal(w_key, (5, 3)), jnp.ones(5), jnp.float32(0.7))
    return model, 1 + 2 * jax.random.normal(x_key, (6, 5))


@pytest.fixture(scope="module")
def rough(model_and_x):
    """An encoder that is off: the right mean shifted, and too wide."""
    model, x = model_and_x
    best = model.best_diagonal(x)
    return vc.Gaussian(best.mean + 0.3, best.log_var + 0.8)


def test_evaluate_with_the_exact_posterior_is_exact(model_and_x):
    model, x = model_and_x
    found = evaluate(model, model.posterior, x, jax.random.key(1), num_samples=3)
    exact = np.asarray(model.log_likelihood(x))
    assert found.mean == pytest.approx(exact.mean(), abs=1e-3)
    assert found.standard_error == pytest.approx(exact.std(ddof=1) / np.sqrt(6), abs=1e-3)
    assert found.num_samples == 3
    assert str(found).endswith("(3 samples)")


def test_evaluate_takes_the_prior_as_any_other_q(model_and_x):
    model, x = model_and_x
    key = jax.random.key(2)
    found = evaluate(model, vc.prior_of(model), x, key, num_samples=4096)
    prior = vc.prior_log_likelihood(model, x, jax.random.clone(key), num_samples=4096)
    assert found.mean == pytest.approx(float(prior.mean()), abs=1e-4)


def test_one_image_has_no_standard_error(model_and_x):
    model, x = model_and_x
    with pytest.raises(ValueError, match="at least two of them, got 1"):
        evaluate(model, model.posterior, x[:1], jax.random.key(0), num_samples=8)


def test_refining_finds_the_best_diagonal(model_and_x, rough):
    model, x = model_and_x
    q = fit_posterior(model, rough, x, jax.random.key(3), num_steps=800, num_samples=16)
    lost = model.exact_elbo(model.best_diagonal(x), x) - model.exact_elbo(q, x)  # both exact
    assert float(lost.min()) >= -1e-4
    assert float(lost.max()) < 0.01


def test_refining_a_network_model_finds_what_scipy_finds():
    vae = vc.VAE(1, (8,), 6, rngs=nnx.Rngs(0))
    vae.decoder.mlp.layers[0].kernel[...] *= 4  # a posterior worth finding
    x = jnp.array([[1.0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1]])
    noise, weights = np.polynomial.hermite_e.hermegauss(60)

    def elbo(mean, log_var, row):
        """By Gauss-Hermite quadrature."""
        z = mean + np.exp(0.5 * log_var) * noise
        log_p = np.asarray(vae.decode(jnp.array(z[:, None])).log_prob(x[row][None]))
        rate = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var)
        return weights @ log_p / weights.sum() - rate

    q = fit_posterior(vae, vae.encode(x), x, jax.random.key(6), num_samples=256, num_steps=1000)
    for row in range(2):
        found = elbo(float(q.mean[row, 0]), float(q.log_var[row, 0]), row)
        start = [float(q.mean[row, 0]), -0.5]
        best = -minimize(lambda v, row=row: -elbo(*v, row), start, method="Nelder-Mead").fun
        assert found == pytest.approx(best, abs=0.005)
        assert found > elbo(0.0, 0.0, row) + 0.01


def test_a_search_that_stopped_short_says_so(monkeypatch):
    """z ~ N(0, 1), x | z ~ N(z, 0.1^2), x = 3: the posterior is far from the prior, and narrow."""
    model = vc.LinearGaussian(jnp.ones((1, 1)), jnp.zeros(1), jnp.float32(0.01))
    x, prior = jnp.array([[3.0]]), vc.prior_of(model)
    monkeypatch.setattr(inference, "MAX_ROUNDS", 1)
    for num_steps in (50, 500):
        key = jax.random.key(num_steps)
        with pytest.warns(RuntimeWarning, match="has not converged after 1 .*more num_steps"):
            q = fit_posterior(model, prior, x, key, num_steps=num_steps)
        lost = model.exact_elbo(model.best_diagonal(x), x) - model.exact_elbo(q, x)
        assert float(lost[0]) > 0.3  # rightly said
        log_p = model.log_likelihood(x)
        with pytest.raises(ValueError, match="best. is not the best q.*vc.fit_posterior"):
            gaps(model, q, x, key, log_p=log_p, best=q)  # what is left is not the family's


@pytest.mark.parametrize("noise_var", [0.01, 1e-4])
def test_a_search_goes_on_until_it_has_converged(noise_var):
    model = vc.LinearGaussian(jnp.ones((1, 1)), jnp.zeros(1), jnp.float32(noise_var))
    x, prior = jnp.array([[3.0]]), vc.prior_of(model)
    q = fit_posterior(model, prior, x, jax.random.key(0))  # and does not warn
    lost = model.exact_elbo(model.best_diagonal(x), x) - model.exact_elbo(q, x)
    assert float(lost[0]) < 0.2
    found = gaps(
        model, q, x, jax.random.key(1), log_p=model.log_likelihood(x), best=q, num_samples=2000
    )
    assert abs(float(found.approximation[0])) < 0.25


@pytest.mark.parametrize("num_rows", [2, 50, 2000])
def test_a_single_row_that_is_stuck_is_seen(num_rows):
    model = vc.LinearGaussian(jnp.ones((1, 1)), jnp.zeros(1), jnp.float32(0.01))
    x = 3 * jax.random.normal(jax.random.key(0), (num_rows, 1))
    best = model.best_diagonal(x)
    log_p, options = model.log_likelihood(x), {"num_samples": 8}
    found = gaps(model, best, x, jax.random.key(1), log_p=log_p, best=best, **options)
    assert abs(found.approximation.mean()) < 0.2  # all of them are the best, none is blamed
    moved = vc.Gaussian(best.mean.at[1].add(0.5), best.log_var)  # 5 standard deviations, 12 nats
    with pytest.raises(ValueError, match=r"nats per row \(row 1: \d\d\)"):
        gaps(model, best, x, jax.random.key(1), log_p=log_p, best=moved, **options)


def test_fitting_takes_a_gaussian_for_each_row_or_one_for_all(model_and_x):
    model, x = model_and_x
    options = {"num_steps": 800, "num_samples": 16}
    q = fit_posterior(model, vc.prior_of(model), x, jax.random.key(3), **options)
    lost = model.exact_elbo(model.best_diagonal(x), x) - model.exact_elbo(q, x)
    assert q.batch_shape == (6,)
    assert float(lost.max()) < 0.05
    with pytest.raises(ValueError, match="q is a MultivariateNormal"):
        fit_posterior(model, model.posterior(x), x, jax.random.key(3))


def test_refining_refuses_bad_numbers(model_and_x, rough):
    for name, bad in {"num_steps": 0, "num_samples": 2.5, "learning_rate": -1}.items():
        with pytest.raises(ValueError, match=f"{name} must be .*positive.*, got {bad}"):
            fit_posterior(model_and_x[0], rough, model_and_x[1], jax.random.key(0), **{name: bad})


def test_the_gaps_are_those_of_the_formulas(model_and_x, rough):
    model, x = model_and_x
    log_p = model.log_likelihood(x)
    best = model.best_diagonal(x)
    runs = [
        gaps(model, rough, x, key, log_p=log_p, best=best, num_samples=2000)
        for key in jax.random.split(jax.random.key(4), 20)
    ]
    precision = jnp.linalg.inv(model.posterior(x).covariance)
    log_det = jnp.linalg.slogdet(precision)[1]
    approximation = 0.5 * (jnp.sum(jnp.log(jnp.diag(precision))) - log_det)
    amortisation = model.exact_elbo(best, x) - model.exact_elbo(rough, x)
    for index, exact in enumerate((approximation, amortisation.mean())):
        means = np.array([float(run[index].mean()) for run in runs])
        error = means.std(ddof=1) / np.sqrt(len(means))
        assert error < 0.02
        assert abs(means.mean() - float(exact)) < 4 * error


def test_an_ignored_latent_is_not_active():
    vae = vc.VAE(3, (8,), 5, rngs=nnx.Rngs(0))
    kernel = vae.encoder.mlp.layers[-1].kernel
    kernel[...] = kernel[...].at[:, 1].set(0.0)  # the mean of latent 1 no longer depends on x
    x = jax.random.uniform(jax.random.key(5), (50, 5))
    assert active_units(vae.encode(x), threshold=1e-6).tolist() == [True, False, True]
    assert not active_units(vae.encode(x), threshold=1e6).any()
