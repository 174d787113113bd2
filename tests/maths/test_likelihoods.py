"""New densities against SciPy and quadrature; each sums or integrates to 1; samples follow them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

import vae_course as vc
from vae_course import distributions, likelihoods
from vae_course.autoregressive import AutoregressiveVAE

LOGITS = [-60.0, -5.0, -0.11, -0.09, -1e-5, 0.0, 1e-5, 0.09, 0.11, 5.0, 60.0, 500.0]


def continuous(logit):
    """SciPy's distribution on [0, 1] for the same density, a truncated exponential, maybe mirrored.

    Returns:
        (whether it is mirrored, SciPy's distribution).
    """
    if abs(logit) < 1e-4:  # SciPy divides by it
        return False, stats.uniform()
    return logit > 0, stats.truncexpon(b=abs(logit), scale=1 / abs(logit))


@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_is_scipys_truncated_exponential(logit):
    p = distributions.ContinuousBernoulli(jnp.full((1,), logit))
    mirrored, exact = continuous(logit)
    x = np.linspace(0, 1, 21, dtype=np.float32)
    scipys = exact.logpdf(1 - x.astype(float) if mirrored else x.astype(float))
    np.testing.assert_allclose(p.log_prob(x[:, None]), scipys, rtol=1e-5, atol=2e-5)
    mean = 1 - exact.mean() if mirrored else exact.mean()
    np.testing.assert_allclose(p.mean[0], mean, rtol=1e-4)
    kolmogorov = stats.kstest(
        np.asarray(1 - p.sample(jax.random.key(0), 2000) if mirrored else
                   p.sample(jax.random.key(0), 2000)).ravel(), exact.cdf
    )  # fmt: skip
    assert kolmogorov.pvalue > 1e-4


@pytest.mark.parametrize("logit", LOGITS[:-1])
def test_continuous_bernoulli_integrates_to_one(logit):
    def density(x):
        log_prob = distributions.ContinuousBernoulli(jnp.full(1, logit)).log_prob(x[:, None])
        return np.exp(np.asarray(log_prob, dtype=float))

    edges = np.linspace(0, 1, 40)
    pieces = [integrate.fixed_quad(density, *ab, n=8)[0] for ab in itertools.pairwise(edges)]
    np.testing.assert_allclose(sum(pieces), 1, rtol=1e-4)


@pytest.mark.parametrize("logit", LOGITS)
def test_gradient_of_the_normaliser_is_the_mean(logit):
    def log_normaliser(logit):
        return -distributions.ContinuousBernoulli(logit[None]).log_prob(jnp.zeros(1))

    slope = jax.grad(log_normaliser)(jnp.float32(logit))
    mirrored, exact = continuous(logit)
    np.testing.assert_allclose(slope, 1 - exact.mean() if mirrored else exact.mean(), atol=1e-3)


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([(1, 2), (1, 5), (2, 4), (3, 2), (3, 5)]), st.integers(0, 2**31 - 1))
def test_categorical_sums_to_one_and_is_scipys(shape, seed):
    dim, num_levels = shape
    logits = np.random.default_rng(seed).normal(size=(dim, num_levels)).astype(np.float32)
    p = distributions.Categorical(jnp.array(logits))
    levels = np.linspace(0, 1, num_levels)
    every = np.array(list(itertools.product(range(num_levels), repeat=dim)))
    log_probs = np.asarray(p.log_prob(jnp.array(levels[every], jnp.float32)))
    np.testing.assert_allclose(np.exp(log_probs.astype(float)).sum(), 1, rtol=1e-5)
    probabilities = np.exp(logits.astype(float))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    rows = [stats.rv_discrete(values=(range(num_levels), row)) for row in probabilities]
    exact = sum(row.logpmf(value) for row, value in zip(rows, every.T, strict=True))
    np.testing.assert_allclose(log_probs, exact, rtol=1e-4, atol=1e-5)
    means = [row.mean() / (num_levels - 1) for row in rows]
    np.testing.assert_allclose(p.mean, means, rtol=1e-4, atol=1e-6)


def test_categorical_samples_are_levels_in_the_right_shares():
    p = distributions.Categorical(jnp.log(jnp.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])))
    x = np.asarray(p.sample(jax.random.key(0), 10_000))
    for pixel, shares in enumerate(([0.1, 0.2, 0.7], [0.6, 0.3, 0.1])):
        values, counts = np.unique(x[:, pixel], return_counts=True)
        np.testing.assert_allclose(values, [0, 0.5, 1])
        assert stats.chisquare(counts, 10_000 * np.array(shares)).pvalue > 1e-4
    np.testing.assert_allclose(p.mode, [1, 0])


@pytest.mark.parametrize("num_levels", [2, 17, 256])
@pytest.mark.parametrize(
    ("logit", "log_concentration"),
    [(0.3, 0.5), (-4.0, 3.0), (5.0, -3.0), (-30.0, 0.0), (2.0, 9.0), (0.0, -15.0)],
)
def test_beta_binomial_pixels_are_scipys(num_levels, logit, log_concentration):
    p = likelihoods.BetaBinomialPixels(num_levels)(jnp.array([logit, log_concentration]))
    a, b = np.exp(log_concentration) * stats.logistic.cdf([logit, -logit])
    exact = stats.betabinom.logpmf(np.arange(num_levels), num_levels - 1, a, b)
    found = np.asarray(p.logits[0], dtype=float)
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.exp(found).sum(), 1, rtol=3e-4)
    np.testing.assert_allclose(p.log_prob(jnp.ones(1)), exact[-1], rtol=1e-4, atol=2e-4)
    mean = stats.betabinom.mean(num_levels - 1, a, b) / (num_levels - 1)
    np.testing.assert_allclose(p.mean[0], mean, rtol=1e-3, atol=1e-6)


def test_a_beta_binomial_of_large_concentration_is_a_binomial():
    p = likelihoods.BetaBinomialPixels(17)(jnp.array([0.7, 16.0]))
    exact = stats.binom.logpmf(np.arange(17), 16, stats.logistic.cdf(0.7))
    np.testing.assert_allclose(p.logits[0], exact, atol=1e-3)


@pytest.mark.parametrize("num_levels", [2, 17, 256])
@pytest.mark.parametrize(
    ("mean", "log_scale"), [(0.3, -2.0), (-4.0, 0.0), (0.52, -5.0), (1.4, -3.0), (0.5, 5.0)]
)
def test_logistic_pixels_are_scipys_mass_in_each_cell(num_levels, mean, log_scale):
    p = likelihoods.LogisticPixels(num_levels)(jnp.array([mean, log_scale]))
    exact = stats.logistic(mean, np.exp(log_scale))
    edges = (np.arange(num_levels + 1) - 0.5) / (num_levels - 1)
    edges[0], edges[-1] = -np.inf, np.inf
    upper = edges[:-1] > mean  # there 1 - cdf has the digits
    mass = np.where(upper, -np.diff(exact.sf(edges)), np.diff(exact.cdf(edges)))
    found = np.asarray(p.logits[0], dtype=float)
    np.testing.assert_allclose(found, np.log(mass), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(np.exp(found).sum(), 1, rtol=1e-4)


@pytest.mark.parametrize("kind", [likelihoods.BetaBinomialPixels, likelihoods.LogisticPixels])
def test_extreme_outputs_have_finite_probabilities_and_slopes(kind):
    outputs = jnp.array(list(itertools.product([-300.0, 0.5, 300.0], repeat=2)))

    def log_prob(outputs, x):
        return kind(17)(outputs).log_prob(x[None])

    for x in (0.0, 0.5, 1.0):
        values, slopes = jax.vmap(jax.value_and_grad(log_prob), (0, None))(outputs, jnp.array(x))
        assert np.isfinite(values).all()
        assert np.isfinite(slopes).all()


@pytest.mark.parametrize("kind", [distributions.ContinuousBernoulli, distributions.Categorical])
def test_pairs_are_all_combinations(kind):
    rng = np.random.default_rng(0)
    shape = (4, 3, 5) if kind is distributions.Categorical else (4, 3)
    logits = jnp.array(3 * rng.normal(size=shape), jnp.float32)
    x = jnp.array(rng.integers(0, 5, size=(6, 3)) / 4, jnp.float32)
    each = [[float(kind(row).log_prob(one)) for one in x] for row in logits]
    np.testing.assert_allclose(kind(logits).pairwise_log_prob(x), each, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="pairwise_log_prob needs x of shape"):
        kind(logits).pairwise_log_prob(x[0])


@pytest.mark.parametrize("outside", [-0.1, 1.1, 255.0, np.nan])
def test_a_value_outside_the_interval_is_impossible_not_certain(outside):
    x = jnp.array([[0.5, outside], [0.5, 1.0]])
    for p in (
        vc.Bernoulli(jnp.ones((1, 2))),
        distributions.ContinuousBernoulli(jnp.ones((1, 2))),
        distributions.Categorical(jnp.ones((1, 2, 3))),
    ):
        for log_prob in (p.log_prob, lambda x, p=p: p.pairwise_log_prob(x)[0]):
            found = jax.jit(log_prob)(x)
            assert np.isneginf(found[0]) or (np.isnan(found[0]) and np.isnan(outside))
            assert np.isfinite(found[1])
            if np.isnan(outside):  # outside compiled code it is named
                with pytest.raises(ValueError, match="x is nan in row 0, column 1"):
                    log_prob(x)
            else:
                np.testing.assert_array_equal(log_prob(x), found)


def test_bad_settings_of_a_likelihood_are_named():
    for make in (
        likelihoods.FixedGaussian,
        likelihoods.GaussianPerPixel,
        lambda std: likelihoods.LearnedGaussian(1, std=std),
    ):
        for bad in (0.0, -1.0, np.nan):
            with pytest.raises(ValueError, match=f"must be a positive number, got {bad}"):
                make(bad)
    for make in (
        likelihoods.CategoricalPixels,
        likelihoods.BetaBinomialPixels,
        likelihoods.LogisticPixels,
    ):
        with pytest.raises(ValueError, match=f"{make.__name__} needs two levels or more, got 1"):
            make(1)


def test_gaussian_likelihoods_have_the_standard_deviation_they_name():
    outputs = jnp.array([[0.3, -2.0]])
    fixed = likelihoods.FixedGaussian(0.25)(outputs)
    exact = stats.norm.logpdf([0.0, 0.0], [0.3, -2.0], 0.25).sum()
    np.testing.assert_allclose(fixed.log_prob(jnp.zeros(2)), exact, rtol=1e-5)
    learned = likelihoods.LearnedGaussian(2)
    learned.log_var[...] = 2 * jnp.log(jnp.array([0.5, 3.0]))
    exact = stats.norm.logpdf([0.0, 0.0], [0.3, -2.0], [0.5, 3.0]).sum()
    np.testing.assert_allclose(learned(outputs).log_prob(jnp.zeros(2)), exact, rtol=1e-5)
    per_pixel = likelihoods.GaussianPerPixel(0.1)(jnp.array([0.3, -2.0, -100.0, 4.0]))
    np.testing.assert_allclose(jnp.exp(0.5 * per_pixel.log_var), [0.1, np.exp(2)], rtol=1e-3)
    np.testing.assert_allclose(per_pixel.mean, [0.3, -2.0])


@pytest.mark.parametrize(
    "likelihood",
    [vc.Bernoulli, distributions.ContinuousBernoulli, likelihoods.FixedGaussian(0.5),
     likelihoods.LearnedGaussian(1), likelihoods.GaussianPerPixel(0.1),
     likelihoods.CategoricalPixels(17), likelihoods.BetaBinomialPixels(17),
     likelihoods.LogisticPixels(17)],
)  # fmt: skip
def test_every_likelihood_trains_in_the_same_vae(likelihood):
    def loss(vae, x, key):
        return -jnp.mean(vc.elbo(vae, vae.encode(x), x, key)), {}

    x = jnp.array(np.random.default_rng(0).integers(0, 2, size=(40, 6)), jnp.float32)
    vae = vc.VAE(2, (8,), 6, likelihood=likelihood, rngs=nnx.Rngs(0))
    history = vc.fit(
        vae, loss, x, key=jax.random.key(0), num_epochs=30, batch_size=20, tx=optax.adam(0.01)
    )
    assert history["loss"][-1] < history["loss"][0] - 0.5
    p = vae.decode(jnp.zeros((3, 2)))
    assert p.mean.shape == p.mode.shape == (3, 6)
    assert p.sample(jax.random.key(1), 5).shape == (5, 3, 6)


def test_autoregressive_probabilities_sum_to_one_and_differ_with_z():
    vae = AutoregressiveVAE(2, (7,), 6, width=9, rngs=nnx.Rngs(0))
    every = jnp.array(list(itertools.product([0.0, 1.0], repeat=6)))
    z = jnp.array([[0.0, 0.0], [3.0, -3.0]])
    log_probs = np.asarray(vae.decode(z[:, None]).log_prob(every), dtype=float)  # (2, 64)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1, rtol=1e-5)
    assert np.abs(log_probs[0] - log_probs[1]).max() > 0.01


def test_a_pixel_depends_on_those_before_it_only():
    vae = AutoregressiveVAE(2, (7,), 5, width=20, rngs=nnx.Rngs(0))
    slopes = jax.jacobian(lambda x: vae.pixels(x, jnp.zeros(20)))(jnp.full(5, 0.5))
    assert (np.abs(np.triu(slopes)) == 0).all()
    assert (np.abs(slopes[np.tril_indices(5, -1)]) > 0).all()


def test_autoregressive_samples_come_as_often_as_their_probability_says():
    vae = AutoregressiveVAE(2, (7,), 3, width=9, rngs=nnx.Rngs(1))
    vae.pixels.layers.layers[1].bias[...] = jnp.array([1.0, 0.0, -1.0])
    p = vae.decode(jnp.array([0.5, 1.0]))
    x = np.asarray(p.sample(jax.random.key(0), 8000))
    every = np.array(list(itertools.product([0.0, 1.0], repeat=3)), np.float32)
    counts = [(x == row).all(axis=1).sum() for row in every]
    expected = 8000 * np.exp(np.asarray(p.log_prob(jnp.array(every)), dtype=float))
    assert stats.chisquare(counts, expected * 8000 / expected.sum()).pvalue > 1e-4
