"""The exact answers against each other and against routes that share no code with them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import vae_course as vc
from vae_course import quadrature


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


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_grid_posterior_has_the_moments_of_the_closed_form(linear_gaussian, latent_dim):
    model, x = linear_gaussian(6, 4, latent_dim)
    points, log_probs = vc.grid_posterior(model, x)
    probs = np.exp(np.asarray(log_probs, np.float64))
    exact = model.posterior(x)
    np.testing.assert_allclose(probs.sum(axis=0), 1, atol=1e-4)
    np.testing.assert_allclose(probs.T @ points, exact.mean, atol=1e-3)
    centred = points[:, None] - np.asarray(exact.mean)[None]
    covariance = np.einsum("mb,mbi,mbj->bij", probs, centred, centred)
    np.testing.assert_allclose(
        covariance, np.broadcast_to(exact.covariance, covariance.shape), atol=1e-3
    )


def test_grid_posterior_of_a_network_gives_the_slack_of_the_elbo():
    """log p - E_q[log p(x, z) - log q] = KL(q || posterior), both sums over the same nodes."""
    decoder = vc.Decoder(2, (16,), 30, rngs=nnx.Rngs(0))
    x = vc.binarize(jnp.full((5, 30), 0.4), jax.random.key(0))
    points, log_posterior = vc.grid_posterior(decoder, x)
    z = jnp.asarray(points)
    q = vc.Gaussian(jnp.array([0.3, -0.2]), jnp.log(jnp.array([0.5, 0.8])))
    log_cells = log_posterior - (
        decoder.decode(z).pairwise_log_prob(x)
        + vc.standard_normal(2).log_prob(z)[:, None]
        - vc.grid_log_likelihood(decoder, x)[None]
    )  # what a node stands for, the same for every x
    assert np.ptp(np.asarray(log_cells), axis=1).max() < 0.02
    log_q = q.log_prob(z)[:, None] + log_cells
    kl = jnp.sum(jnp.exp(log_q) * (log_q - log_posterior), axis=0)
    keys = jax.random.split(jax.random.key(1), 20)
    rows = vc.Gaussian(*(jnp.broadcast_to(a, (5, 2)) for a in (q.mean, q.log_var)))
    elbos = np.asarray(
        [vc.elbo(decoder, rows, x, key, num_samples=2000, analytic_kl=False) for key in keys],
        np.float64,
    )
    slack = np.asarray(vc.grid_log_likelihood(decoder, x)) - elbos.mean(axis=0)
    standard_error = elbos.std(axis=0, ddof=1) / np.sqrt(len(keys))
    assert standard_error.max() < 0.02
    np.testing.assert_array_less(np.abs(slack - kl), 4 * standard_error + 0.02)


def test_grid_posterior_refuses_a_table_beyond_a_gigabyte(monkeypatch):
    monkeypatch.setattr(quadrature, "MAX_TABLE", 10_000)
    model = vc.LinearGaussian(jnp.ones((1, 2)), jnp.zeros(1), jnp.float32(1.0))
    with pytest.raises(ValueError, match="3 posteriors on 65.2 nodes do not fit"):
        vc.grid_posterior(model, jnp.zeros((3, 1)))


def test_quadrature_refuses_a_posterior_at_the_edge():
    model = vc.LinearGaussian(jnp.ones((1, 1)), jnp.zeros(1), jnp.float32(0.01))
    with pytest.raises(ValueError, match=r"2 of 3 images \(number 1 most of all.*edge of the grid"):
        vc.grid_log_likelihood(model, jnp.array([[0.0], [6.1], [6.0]]))


def trained_linear_vae(x, latent_dim, noise_var=None):
    def loss(vae, x, key):
        return -jnp.mean(vae.exact_elbo(vae.encode(x), x)), {}

    vae = vc.LinearVAE(latent_dim, x.shape[1], noise_var=noise_var, rngs=nnx.Rngs(0))
    tx = optax.adam(optax.cosine_decay_schedule(0.02, 2000))
    vc.fit(vae, loss, x, key=jax.random.key(0), num_epochs=2000, batch_size=len(x), tx=tx)
    return vae


@pytest.fixture(scope="module")
def digits():
    return (load_digits().data / 16).astype(np.float32)


def test_a_linear_vae_reaches_the_maximum_of_probabilistic_pca(digits):
    vae = trained_linear_vae(digits, 10)
    best = PCA(10).fit(digits).score(digits)
    elbo = float(vae.exact_elbo(vae.encode(digits), jnp.array(digits)).mean())
    log_p = float(vae.model().log_likelihood(jnp.array(digits)).mean())
    assert best - 0.05 < elbo <= log_p + 1e-3 < best + 0.001 + 1e-3


def test_a_linear_vae_keeps_just_the_latents_whose_eigenvalue_is_above_the_noise(digits):
    eigenvalues = np.linalg.eigvalsh(np.cov(digits.T, bias=True))[::-1]
    noise_var = float(np.sqrt(eigenvalues[2] * eigenvalues[3]))
    vae = trained_linear_vae(digits, 8, noise_var)
    assert vc.active_units(vae.encode(jnp.array(digits))).sum() == 3
    mean, log_var = np.asarray(vae.encoder(jnp.array(digits))), np.asarray(vae.q_log_var[...])
    rates = 0.5 * (np.exp(log_var) - 1 - log_var + np.square(mean).mean(axis=0))
    # At the maximum a latent's mean KL is half the log of eigenvalue over noise. (Their sum:
    # which latent takes which share settles only slowly.)
    theory = 0.5 * np.log(eigenvalues[:3] / noise_var).sum()
    np.testing.assert_allclose(rates.sum(), theory, atol=0.01)


def test_a_noise_variance_to_be_trained_starts_at_one():
    assert vc.LinearVAE(2, 3, rngs=nnx.Rngs(0)).model().noise_var == 1


def test_a_linear_vaes_elbo_is_the_sampled_one(digits):
    vae = vc.LinearVAE(3, 64, noise_var=9.0, rngs=nnx.Rngs(0))
    x = jnp.array(digits[:5])
    q = vae.encode(x)
    weights = vc.log_weights(vae, q, x, jax.random.key(0), num_samples=4000)
    error = weights.std(axis=0) / 4000**0.5
    assert (np.abs(weights.mean(axis=0) - vae.exact_elbo(q, x)) < 4 * error).all()
    assert (error < 0.2).all()


@pytest.mark.parametrize("shared", [True, False])
def test_the_exact_elbo_of_any_normal_is_log_p_less_the_divergence(linear_gaussian, shared):
    """For a covariance for all rows and for one a row; the KL by SciPy's own log densities."""
    model, x = linear_gaussian(2, 5, 3)
    posterior = model.posterior(x)
    rng = np.random.default_rng(0)
    roots = np.tril(0.3 * rng.normal(size=(len(x), 3, 3))) + 0.5 * np.eye(3)
    covariances = np.float32(roots @ roots.swapaxes(1, 2))
    means = np.float32(posterior.mean + 0.2 * rng.normal(size=(len(x), 3)))
    q = vc.MultivariateNormal(means, covariances[0] if shared else covariances)
    precision = np.linalg.inv(np.float64(posterior.covariance))
    for row in range(len(x)):
        own = np.float64(covariances[0 if shared else row])
        shift = np.float64(means[row]) - np.float64(posterior.mean[row])
        kl = np.trace(precision @ own) + shift @ precision @ shift - 3
        kl -= np.linalg.slogdet(precision)[1] + np.linalg.slogdet(own)[1]
        expected = float(model.log_likelihood(x)[row]) - 0.5 * kl
        assert float(model.exact_elbo(q, x)[row]) == pytest.approx(expected, abs=2e-4)
    np.testing.assert_allclose(model.exact_elbo(posterior, x), model.log_likelihood(x), atol=1e-4)


def test_no_elbo_by_formula_of_a_mixture(linear_gaussian):
    model, x = linear_gaussian(0, 5, 2)
    normal = vc.standard_normal(2)
    mixture = vc.distributions.Mixture((normal, normal), (0.5, 0.5))
    with pytest.raises(TypeError, match="no exact ELBO for a q that is a Mixture"):
        model.exact_elbo(mixture, x)


def test_each_grid_holds_the_one_before_and_ends_at_six(linear_gaussian):
    for sizes in quadrature.SIZES.values():
        pairs = zip(sizes[:-1], sizes[1:], strict=True)
        assert all(fine == 2 * coarse - 1 for coarse, fine in pairs)
    for latent_dim in (1, 2):
        model, x = linear_gaussian(1, 4, latent_dim)
        points, _ = vc.grid_posterior(model, x)
        np.testing.assert_allclose([points.min(), points.max()], [-6, 6], rtol=1e-6)


def test_a_grid_posterior_of_a_sharp_posterior_is_fine_enough(linear_gaussian):
    model, x = linear_gaussian(0, 4, 2, noise_var=1e-3)
    points, log_probs = vc.grid_posterior(model, x)
    mean = np.exp(np.float64(log_probs)).T @ points
    np.testing.assert_allclose(mean, model.posterior(x).mean, atol=2e-3)


def test_the_mean_over_x_decides_how_fine_the_grid_is():
    model = vc.LinearGaussian(jnp.eye(2), jnp.zeros(2), 1e-3)
    x = jnp.array([[0.3, -0.2]])  # on 65 nodes an axis it is 0.004 nats off
    one, _ = vc.grid_posterior(model, x)
    twenty, _ = vc.grid_posterior(model, jnp.repeat(x, 20, axis=0))
    assert len(one) == len(twenty) == 129**2


def test_after_the_first_grid_an_error_is_squared_where_that_makes_it_smaller():
    differences = np.array([0.0, 0.1, 1.0, 3.0])
    left = quadrature._error_left(differences, is_first=False)
    np.testing.assert_allclose(left, [0, 0.01, 1.0, 3.0])
    np.testing.assert_array_equal(quadrature._error_left(differences, is_first=True), differences)


@pytest.mark.parametrize("grid", [vc.grid_log_likelihood, vc.grid_posterior])
def test_both_grids_refuse_one_image_and_a_posterior_at_the_edge(linear_gaussian, grid):
    model, x = linear_gaussian(0, 4, 2)
    with pytest.raises(ValueError, match=r"one image is x\[None\]"):
        grid(model, x[0])
    narrow = vc.LinearGaussian(jnp.ones((1, 1)), jnp.zeros(1), jnp.float32(0.01))
    with pytest.raises(ValueError, match="edge of the grid"):
        grid(narrow, jnp.array([[6.0]]))
    flat = vc.LinearGaussian(jnp.eye(2), jnp.zeros(2), jnp.float32(0.01))
    with pytest.raises(ValueError, match="edge of the grid"):
        grid(flat, jnp.array([[6.0, 0.0]]))  # in one direction is enough
