"""The exact answers against each other and against routes that share no code with them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats
from sklearn.decomposition import PCA

import vae_course as vc


@pytest.mark.parametrize("seed", range(5))
def test_log_likelihood_is_scipys(linear_gaussian, seed):
    model, x = linear_gaussian(seed, 6, 3)
    weights = np.asarray(model.weights, dtype=float)
    exact = stats.multivariate_normal(model.bias, weights @ weights.T + 0.5 * np.eye(6)).logpdf(x)
    np.testing.assert_allclose(model.log_likelihood(x), exact, rtol=1e-4, atol=1e-4)


def test_log_likelihood_at_the_maximum_is_scikit_learns_probabilistic_pca():
    x = np.random.default_rng(0).normal(size=(500, 8)) @ np.random.default_rng(1).normal(
        size=(8, 8)
    )
    pca = PCA(n_components=3).fit(x)
    scale = np.sqrt(pca.explained_variance_ - pca.noise_variance_)
    model = vc.LinearGaussian(
        jnp.array(pca.components_.T * scale, dtype=jnp.float32),
        jnp.array(pca.mean_, dtype=jnp.float32),
        jnp.float32(pca.noise_variance_),
    )
    ours = model.log_likelihood(jnp.array(x, dtype=jnp.float32)).mean()
    np.testing.assert_allclose(ours, pca.score(x), rtol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_posterior_satisfies_bayes_rule_at_random_z(linear_gaussian, seed):
    model, x = linear_gaussian(seed, 5, 2)
    z = np.random.default_rng(seed).normal(size=(11, 1, 2)).astype(np.float32)
    z = jnp.array(np.broadcast_to(z, (11, 7, 2)))
    joint = model.decode(z).log_prob(x) + stats.norm.logpdf(z).sum(-1)
    evidence = jnp.broadcast_to(model.log_likelihood(x), joint.shape)
    np.testing.assert_allclose(
        joint - model.posterior(x).log_prob(z), evidence, rtol=1e-3, atol=2e-3
    )


@pytest.mark.parametrize("latent_dim", [1, 2])
@pytest.mark.parametrize("seed", range(10))
def test_quadrature_is_the_closed_form_to_a_hundredth(linear_gaussian, seed, latent_dim):
    noise_var = [1.0, 0.1, 0.01][seed % 3]
    model, x = linear_gaussian(seed, 4, latent_dim, noise_var)
    np.testing.assert_allclose(vc.grid_log_likelihood(model, x), model.log_likelihood(x), atol=0.01)


def test_quadrature_of_a_network_agrees_with_float64_on_another_grid():
    decoder = vc.Decoder(2, (16,), 20, rngs=nnx.Rngs(0))
    x = vc.binarize(jnp.full((5, 20), 0.5), jax.random.key(1))
    axis = np.linspace(-6, 6, 241)
    z = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    logits = np.asarray(decoder.decode(jnp.array(z, dtype=jnp.float32)).logits, dtype=float)
    log_probs = logits @ np.asarray(x, dtype=float).T - np.logaddexp(0, logits).sum(
        1, keepdims=True
    )
    prior = np.exp(stats.norm.logpdf(z).sum(1, keepdims=True)) * (axis[1] - axis[0]) ** 2
    exact = np.log(np.sum(prior * np.exp(log_probs), axis=0))
    np.testing.assert_allclose(vc.grid_log_likelihood(decoder, x), exact, atol=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_quadrature_refines_until_the_mean_over_x_is_good(linear_gaussian, seed):
    model, x = linear_gaussian(seed, 4, 2, noise_var=1e-3)  # posteriors about 0.02 wide
    errors = np.abs(vc.grid_log_likelihood(model, x) - model.log_likelihood(x))
    assert errors.mean() < 0.01


def test_quadrature_refuses_three_latents(linear_gaussian):
    model, x = linear_gaussian(0, 4, 3)
    with pytest.raises(ValueError, match=r"latent_dim 1 or 2, got 3.*prior_log_likelihood"):
        vc.grid_log_likelihood(model, x)


def test_quadrature_refuses_a_needle(linear_gaussian):
    model, x = linear_gaussian(0, 4, 1, noise_var=1e-9)
    with pytest.raises(ValueError, match="too rugged"):
        vc.grid_log_likelihood(model, x)


def test_quadrature_refuses_a_posterior_at_the_edge():
    model = vc.LinearGaussian(jnp.ones((1, 1)), jnp.zeros(1), jnp.float32(0.01))
    with pytest.raises(ValueError, match=r"number 1 most of all.*edge of the grid"):
        vc.grid_log_likelihood(model, jnp.array([[0.0], [6.0]]))
