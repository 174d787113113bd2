"""Densities against SciPy, over random shapes; extreme logits; samples against moments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import vae_course as vc

# A few shapes, with ones in every place: each new one costs a compilation of every operation.
SHAPES = st.sampled_from([(1, 1, 1), (1, 5, 2), (2, 3, 4), (3, 4, 1), (4, 1, 6), (4, 5, 6)])
SEEDS = st.integers(0, 2**31 - 1)


def arrays(seed, *shapes, scale=1.0):
    rng = np.random.default_rng(seed)
    return [(scale * rng.normal(size=shape)).astype(np.float32) for shape in shapes]


@settings(deadline=None, max_examples=30)
@given(SHAPES, SEEDS)
def test_bernoulli_log_prob_is_scipys(shape, seed):
    num, batch, dim = shape
    (logits,) = arrays(seed, (batch, dim), scale=3)
    x = (np.random.default_rng(seed + 1).random((num, batch, dim)) < 0.5).astype(np.float32)
    exact = stats.bernoulli.logpmf(x, 1 / (1 + np.exp(-logits.astype(float)))).sum(-1)
    np.testing.assert_allclose(
        vc.Bernoulli(jnp.array(logits)).log_prob(x), exact, rtol=1e-5, atol=1e-5
    )


@settings(deadline=None, max_examples=30)
@given(SHAPES, SEEDS)
def test_gaussian_log_prob_is_scipys(shape, seed):
    num, batch, dim = shape
    mean, log_var, x = arrays(seed, (batch, dim), (batch, dim), (num, batch, dim))
    exact = stats.norm.logpdf(x, mean, np.exp(0.5 * log_var.astype(float))).sum(-1)
    gaussian = vc.Gaussian(jnp.array(mean), jnp.array(log_var))
    np.testing.assert_allclose(gaussian.log_prob(x), exact, rtol=1e-5, atol=1e-4)


@settings(deadline=None, max_examples=20)
@given(SHAPES, SEEDS)
def test_multivariate_gaussian_log_prob_is_scipys(shape, seed):
    num, batch, dim = shape
    root, mean, x = arrays(seed, (dim, dim), (dim,), (num, batch, dim))
    covariance = root @ root.T + np.eye(dim, dtype=np.float32)
    exact = stats.multivariate_normal(mean, covariance).logpdf(x).reshape(num, batch)
    p = vc.MultivariateNormal(jnp.array(mean), jnp.array(covariance))
    np.testing.assert_allclose(p.log_prob(x), exact, rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(SHAPES, SEEDS, st.booleans())
def test_pairs_are_all_combinations_of_log_prob(shape, seed, bernoulli):
    num_params, batch, dim = shape
    first, second, x = arrays(seed, (num_params, dim), (num_params, dim), (batch, dim))
    x = (x > 0).astype(np.float32) if bernoulli else x + 100  # far from 0: float32 must not cancel
    mean = first if bernoulli else first + 100

    def of_row(i):
        if bernoulli:
            return vc.Bernoulli(jnp.array(mean[i]))
        return vc.Gaussian(jnp.array(mean[i]), jnp.array(second[i]))

    p = (
        vc.Bernoulli(jnp.array(mean))
        if bernoulli
        else vc.Gaussian(jnp.array(mean), jnp.array(second))
    )
    pairs = p.pairwise_log_prob(jnp.array(x))
    one_by_one = np.array([[of_row(i).log_prob(row) for row in x] for i in range(num_params)])
    assert pairs.shape == (num_params, batch)
    np.testing.assert_allclose(pairs, one_by_one, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("logit", [-200.0, -30.0, 0.0, 30.0, 200.0])
@pytest.mark.parametrize("pixel", [0.0, 1.0])
def test_extreme_logits_are_finite_and_exact(logit, pixel):
    p = vc.Bernoulli(jnp.full((1, 784), logit))
    x = jnp.full((1, 784), pixel)
    exact = -784 * np.logaddexp(0, -logit if pixel else logit)
    value, gradient = jax.value_and_grad(
        lambda logits: vc.Bernoulli(logits).pairwise_log_prob(x)[0, 0]
    )(p.logits)
    np.testing.assert_allclose(p.log_prob(x)[0], exact, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(value, exact, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(gradient[0], pixel - 1 / (1 + np.exp(-logit)), atol=1e-6)


def test_pairs_refuse_shapes_that_do_not_fit():
    p = vc.Bernoulli(jnp.zeros((3, 784)))
    with pytest.raises(ValueError, match=r"\(5, 783\) and \(3, 784\)"):
        p.pairwise_log_prob(jnp.zeros((5, 783)))
    with pytest.raises(ValueError, match="last axes must be equal"):
        p.log_prob(jnp.zeros((3, 783)))
    with pytest.raises(ValueError, match="last axes must be equal"):
        p.log_prob(jnp.zeros((3, 1)))


def test_the_mode_of_a_coin_is_its_likelier_side():
    np.testing.assert_array_equal(vc.Bernoulli(jnp.array([-1.0, 0.5, 2.0])).mode, [0, 1, 1])


ROOT = jnp.array([[1.0, 0.0], [0.8, 0.5]])
DISTRIBUTIONS = {
    "bernoulli": (vc.Bernoulli(jnp.array([-1.0, 2.0])), None),
    "gaussian": (vc.Gaussian(jnp.array([1.0, -2.0]), jnp.log(jnp.array([0.25, 4.0]))), None),
    "multivariate": (vc.MultivariateNormal(jnp.array([1.0, -2.0]), ROOT @ ROOT.T), ROOT @ ROOT.T),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_samples_have_the_moments_within_four_standard_errors(name):
    p, covariance = DISTRIBUTIONS[name]
    x, log_prob = p.sample_and_log_prob(jax.random.key(3), 40_000)
    x = np.asarray(x, dtype=float)
    assert x.shape == (40_000, 2)
    np.testing.assert_allclose(log_prob, p.log_prob(jnp.array(x, dtype=jnp.float32)), rtol=1e-5)
    assert (np.abs(x.mean(0) - p.mean) < 4 * x.std(0) / 200).all()
    if covariance is not None:
        products = np.prod(x - np.asarray(p.mean), axis=1)
        assert abs(products.mean() - covariance[0, 1]) < 4 * products.std() / 200


def test_gaussian_sample_scales_noise_by_the_standard_deviation():
    x = np.asarray(DISTRIBUTIONS["gaussian"][0].sample(jax.random.key(0), 40_000))
    # The standard error of a normal's standard deviation is std / sqrt(2 n).
    assert (np.abs(x.std(0) - [0.5, 2.0]) < 4 * np.array([0.5, 2.0]) / np.sqrt(80_000)).all()


def test_densities_integrate_to_one():
    grid = jnp.linspace(-12, 12, 2001)[:, None]
    density = np.exp(vc.Gaussian(jnp.array([0.5]), jnp.array([0.3])).log_prob(grid))
    assert abs(density.sum() * 0.012 - 1) < 1e-5
    both = vc.Bernoulli(jnp.array([1.7])).log_prob(jnp.array([[0.0], [1.0]]))
    assert abs(np.exp(both).sum() - 1) < 1e-6


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 4), SEEDS)
def test_kl_to_standard_normal_is_its_integral(dim, seed):
    mean, log_var = arrays(seed, (dim,), (dim,))
    exact = 0.0
    for m, v in zip(mean.astype(float), np.exp(log_var.astype(float)), strict=True):
        q = stats.norm(m, np.sqrt(v))
        z = np.linspace(m - 12 * np.sqrt(v), m + 12 * np.sqrt(v), 4001)
        exact += np.sum(q.pdf(z) * (q.logpdf(z) - stats.norm.logpdf(z))) * (z[1] - z[0])
    kl = vc.kl_divergence(vc.Gaussian(jnp.array(mean), jnp.array(log_var)), vc.standard_normal(dim))
    np.testing.assert_allclose(kl, exact, rtol=1e-4, atol=1e-4)
    assert kl >= -1e-6
