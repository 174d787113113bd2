"""Importance weights, ELBO and L_k against closed forms, by routes that share no code with them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

import vae_course as vc
from vae_course import bounds


def arrays(model):
    """The model in float64, and its posterior by dense algebra: precision and gain."""
    weights, bias = (np.asarray(a, np.float64) for a in (model.weights, model.bias))
    noise_var = float(model.noise_var)
    precision = np.eye(weights.shape[1]) + weights.T @ weights / noise_var
    return weights, bias, noise_var, precision


def exact_log_likelihood(model, x):
    weights, bias, noise_var, _ = arrays(model)
    covariance = weights @ weights.T + noise_var * np.eye(len(bias))
    return stats.multivariate_normal(bias, covariance).logpdf(np.asarray(x, np.float64))


def exact_elbo(model, x, mean, var):
    """log p(x) - KL(q || posterior), the KL of two Gaussians by its textbook formula."""
    weights, bias, noise_var, precision = arrays(model)
    x = np.asarray(x, np.float64)
    posterior_mean = np.linalg.solve(precision, weights.T @ (x - bias).T / noise_var).T
    shift = mean - posterior_mean
    kl = 0.5 * (
        var @ np.diag(precision)
        + np.einsum("bi,ij,bj->b", shift, precision, shift)
        - len(precision)
        - np.linalg.slogdet(precision)[1]
        - np.log(var).sum(axis=1)
    )
    return exact_log_likelihood(model, x) - kl


@pytest.fixture
def with_q(linear_gaussian):
    """seed -> a random linear-Gaussian model with a random q near the posterior, and seven x."""

    def make(seed, data_dim=5, latent_dim=2):
        model, x = linear_gaussian(seed, data_dim, latent_dim, noise_var=1.0)
        rng = np.random.default_rng(100 + seed)
        best = model.best_diagonal(x)
        shift = 0.2 * rng.normal(size=best.mean.shape)
        q = vc.Gaussian(best.mean + jnp.float32(shift), best.log_var + jnp.float32(0.3))
        return model, q, x

    return make


def within(estimates, exact, largest_error):
    """estimates (keys, batch): their mean over keys is exact, within 4 capped standard errors."""
    estimates = np.asarray(estimates, np.float64)
    standard_error = estimates.std(axis=0, ddof=1) / np.sqrt(len(estimates))
    assert standard_error.max() < largest_error
    np.testing.assert_array_less(np.abs(estimates.mean(axis=0) - exact), 4 * standard_error + 2e-4)


@pytest.mark.parametrize("seed", range(10))
def test_the_average_weight_is_unbiased_for_p(with_q, seed):
    model, q, x = with_q(seed)
    log_weights = vc.log_weights(model, q, x, jax.random.key(seed), num_samples=20_000)
    assert log_weights.shape == (20_000, 7)
    ratios = np.exp(np.asarray(log_weights, np.float64) - exact_log_likelihood(model, x))
    within(ratios, 1, largest_error=0.05)


@pytest.mark.parametrize("analytic_kl", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_elbo_is_log_p_minus_the_divergence(with_q, analytic_kl, seed):
    model, q, x = with_q(seed)
    exact = exact_elbo(model, x, np.asarray(q.mean, float), np.exp(np.float64(q.log_var)))
    keys = jax.random.split(jax.random.key(seed), 50)
    options = {"num_samples": 200, "analytic_kl": analytic_kl}
    within([vc.elbo(model, q, x, key, **options) for key in keys], exact, 0.05)


@pytest.mark.parametrize("seed", range(20))
def test_the_slack_of_the_elbo_is_the_divergence_to_the_posterior(with_q, seed):
    """log p, ELBO and KL by three separate formulas, data_dim up to 20: within 1e-4 nats."""
    rng = np.random.default_rng(seed)
    model, q, x = with_q(
        seed, data_dim=int(rng.integers(1, 21)), latent_dim=int(rng.integers(1, 5))
    )
    exact = exact_elbo(model, x, np.asarray(q.mean, float), np.exp(np.float64(q.log_var)))
    ours = np.asarray(model.exact_elbo(q, x), float)
    np.testing.assert_allclose(ours, exact, atol=1e-4)
    assert (ours < exact_log_likelihood(model, x)).all()


def test_no_diagonal_q_beats_the_best(linear_gaussian):
    model, x = linear_gaussian(3, 6, 3)
    best = model.best_diagonal(x)
    highest = model.exact_elbo(best, x)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mean, log_var = (jnp.float32(0.1 * rng.normal(size=best.mean.shape)) for _ in range(2))
        other = vc.Gaussian(best.mean + mean, best.log_var + log_var)
        assert (model.exact_elbo(other, x) < highest).all()
    gradient = jax.grad(lambda q: model.exact_elbo(q, x).sum())(best)
    assert all(np.abs(g).max() < 1e-3 for g in jax.tree.leaves(gradient))


def test_the_posterior_as_proposal_has_weights_without_variance(linear_gaussian):
    model, x = linear_gaussian(0, 6, 3)
    posterior = model.posterior(x)
    log_weights = vc.log_weights(model, posterior, x, jax.random.key(0), num_samples=50)
    exact = np.broadcast_to(exact_log_likelihood(model, x), (50, 7))
    np.testing.assert_allclose(log_weights, exact, atol=1e-3)
    np.testing.assert_allclose(vc.effective_sample_size(log_weights), 50, rtol=1e-4)


def test_l_k_climbs_from_the_elbo_to_log_p(with_q):
    model, q, x = with_q(1)
    keys = jax.random.split(jax.random.key(1), 800)  # 200 leave L_64 - L_4 at 4 errors only

    def average(num_samples):
        bounds = [vc.iwae(model, q, x, key, num_samples=num_samples) for key in keys]
        per_key = np.asarray(bounds, np.float64).mean(axis=1)
        return per_key.mean(), per_key.std() / np.sqrt(len(keys))

    (l_1, e_1), (l_4, e_4), (l_64, e_64) = (average(k) for k in (1, 4, 64))
    elbo = model.exact_elbo(q, x).mean()
    log_p = exact_log_likelihood(model, x).mean()
    assert abs(l_1 - elbo) < 4 * e_1
    assert l_4 - l_1 > 4 * (e_1 + e_4)
    assert l_64 - l_4 > 4 * (e_4 + e_64)
    assert abs(l_64 - log_p) < 4 * e_64 + 0.05
    assert l_64 < log_p + 4 * e_64


@pytest.mark.parametrize("num_samples", [1, 7, 8, 9, 20])
def test_blocks_hold_every_sample_once(with_q, monkeypatch, num_samples):
    """With the posterior as q every weight is p(x): L_k is exact only if k weights are counted."""
    model, q, x = with_q(2)
    posterior = model.posterior(x)
    monkeypatch.setattr(bounds, "PAIRS", 8 * len(x))  # eight samples a block
    jax.clear_caches()
    exact = exact_log_likelihood(model, x)
    key = jax.random.key(0)
    bound = vc.iwae(model, posterior, x, key, num_samples=num_samples)
    np.testing.assert_allclose(bound, exact, atol=1e-3)
    log_weights = vc.log_weights(
        model, q, x, jax.random.clone(key), num_samples=num_samples
    )  # of another q: with the posterior all are equal
    assert log_weights.shape == (num_samples, 7)
    assert len(np.unique(np.asarray(log_weights)[:, 0])) == num_samples
    jax.clear_caches()


def test_a_hundred_thousand_samples_for_a_thousand_images_fit_in_two_gigabytes():
    decoder = vc.Decoder(2, (400, 400), 784, rngs=nnx.Rngs(0))
    q = vc.Gaussian(jnp.zeros((1000, 2)), jnp.zeros((1000, 2)))
    graphdef, state = nnx.split(decoder)

    def pure(state, x, key):
        return vc.iwae(nnx.merge(graphdef, state), q, x, key, num_samples=100_000)

    shapes = jax.eval_shape(lambda: (state, jnp.zeros((1000, 784)), jax.random.key(0)))
    memory = jax.jit(pure).lower(*shapes).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 2e9


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([1, 1, 1, 1], 4), ([1, 0, 0, 0], 1), ([2, 2, 0, 0], 2), ([3, 1], 1.6)],
)
def test_effective_sample_size_of_known_weights(weights, expected):
    log_weights = jnp.log(jnp.array(weights, dtype=jnp.float32)) - 500  # exp underflows
    np.testing.assert_allclose(vc.effective_sample_size(log_weights), expected, rtol=1e-4)


def test_the_gradient_of_the_elbo_is_that_of_its_formula(with_q):
    """Reparameterised samples: the estimate may be differentiated with respect to q."""
    model, q, x = with_q(4)

    def estimate(q, key):
        return vc.elbo(model, q, x, key, num_samples=50).sum()

    keys = jax.random.split(jax.random.key(4), 100)
    gradients = [jax.grad(estimate)(q, key).mean for key in keys]
    exact = jax.grad(lambda q: model.exact_elbo(q, x).sum())(q).mean
    within(gradients, np.asarray(exact), largest_error=0.2)


def test_a_proposal_for_other_x_is_refused(with_q):
    model, q, x = with_q(0)
    with pytest.raises(ValueError, match=r"batch_shape \(7,\); for 3 rows"):
        vc.elbo(model, q, x[:3], jax.random.key(0))


@pytest.mark.parametrize("estimator", [vc.log_weights, vc.elbo, vc.iwae])
def test_bad_input_is_named(with_q, estimator):
    model, q, x = with_q(0)
    with pytest.raises(ValueError, match="positive integer, got 0"):
        estimator(model, q, x, jax.random.key(0), num_samples=0)
    with pytest.raises(ValueError, match=r"one image is x\[None\]"):
        estimator(model, q, x[0], jax.random.key(0), num_samples=5)
