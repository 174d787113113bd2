"""Densities against SciPy, over random shapes; extreme logits; samples against moments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import vae_course as vc
from vae_course.distributions import Mixture

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


@pytest.mark.parametrize("log_var", [1e-2, 1e-3, 1e-4, -1e-4])
def test_the_kl_of_a_latent_about_to_collapse_is_not_rounding(log_var):
    """In float32, exp(v) - 1 - v would be 3.3 times too large at v = 1e-4."""
    kl = vc.kl_divergence(vc.Gaussian(jnp.zeros(1), jnp.full(1, log_var)), vc.standard_normal(1))
    v = np.float64(np.float32(log_var))
    np.testing.assert_allclose(kl, 0.5 * (np.expm1(v) - v), rtol=2e-3)


@pytest.mark.parametrize("seed", range(5))
def test_kl_between_any_two_normals_is_the_average_log_ratio(seed):
    """Against the textbook formula in float64, by dense algebra, for each pair of kinds."""
    rng = np.random.default_rng(seed)

    def normal(kind):
        mean = rng.normal(size=(4, 3))
        if kind == "diagonal":
            log_var = rng.normal(size=(4, 3))
            covariance = np.exp(log_var)[:, :, None] * np.eye(3)
            return vc.Gaussian(jnp.float32(mean), jnp.float32(log_var)), mean, covariance
        root = rng.normal(size=(4 if kind == "rows" else 1, 3, 3))
        covariance = root @ np.swapaxes(root, 1, 2) + 0.5 * np.eye(3)
        given = jnp.float32(covariance if kind == "rows" else covariance[0])
        covariance = np.broadcast_to(covariance, (4, 3, 3))
        return vc.MultivariateNormal(jnp.float32(mean), given), mean, covariance

    kinds = ("diagonal", "shared", "rows")
    for q, q_mean, q_cov in map(normal, kinds):
        for p, p_mean, p_cov in map(normal, kinds):
            shift = p_mean - q_mean
            exact = 0.5 * (
                np.trace(np.linalg.solve(p_cov, q_cov), axis1=1, axis2=2)
                + np.einsum("bi,bi->b", shift, np.linalg.solve(p_cov, shift[..., None])[..., 0])
                - 3
                + np.linalg.slogdet(p_cov)[1]
                - np.linalg.slogdet(q_cov)[1]
            )
            np.testing.assert_allclose(vc.kl_divergence(q, p), exact, rtol=1e-3, atol=1e-4)


def test_there_is_no_kl_without_a_formula():
    coin, normal = vc.Bernoulli(jnp.zeros(1)), vc.standard_normal(1)
    with pytest.raises(TypeError, match=r"KL\(Gaussian \|\| Bernoulli\)"):
        vc.kl_divergence(normal, coin)


@settings(deadline=None, max_examples=10)
@given(st.sampled_from([(1, 1, 1), (3, 4, 2), (4, 5, 6)]), SEEDS)
def test_a_covariance_a_row_is_scipys(shape, seed):
    num, batch, dim = shape
    root, mean, x = arrays(seed, (batch, dim, dim), (batch, dim), (num, batch, dim))
    covariance = root @ np.swapaxes(root, 1, 2) + np.eye(dim, dtype=np.float32)
    p = vc.MultivariateNormal(jnp.array(mean), jnp.array(covariance))
    for row in range(batch):
        exact = stats.multivariate_normal(mean[row], covariance[row]).logpdf(x[:, row])
        np.testing.assert_allclose(p.log_prob(x)[:, row], exact, rtol=1e-4, atol=1e-3)
    samples = np.asarray(p.sample(jax.random.key(seed), (20_000,)), float)
    error = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2) / 20_000)
    assert (np.abs(samples.mean(axis=0) - mean) < 5 * error).all()
    spread = np.einsum("nbi,nbj->bij", samples - mean, samples - mean) / 20_000
    scale = np.abs(covariance).max(axis=(1, 2), keepdims=True)
    assert (np.abs(spread - covariance) < 0.08 * scale).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: vc.Gaussian(jnp.zeros((5, 2)), jnp.zeros(2)), r"mean \(5, 2\), log_var \(2,\)"),
        (lambda: vc.Gaussian(0.0, 0.0), "needs 1 axes or more"),
        (lambda: vc.MultivariateNormal(jnp.zeros((5, 2)), jnp.eye(3)), "covariance must have"),
        (lambda: vc.MultivariateNormal(jnp.zeros((5, 2)), jnp.ones((4, 2, 2))), "covariance must"),
        (lambda: Mixture((vc.standard_normal(2),), (0.5, 0.5)), "a weight for each of 1 comp"),
        (lambda: Mixture((vc.standard_normal(2),), (0.9,)), "sum to 1"),
        (
            lambda: Mixture(
                tuple(vc.Gaussian(*jnp.zeros((2, rows, 2))) for rows in (3, 4)), (0.5, 0.5)
            ),
            "equal batch shapes",
        ),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit_are_refused_also_in_compiled_code(make, message):
    with pytest.raises(ValueError, match=message):
        make()
    with pytest.raises(ValueError, match=message):
        jax.jit(lambda: make().log_prob(jnp.zeros(2)))()


def test_the_checks_stand_aside_for_vmap_and_for_trees():
    means, log_vars = jnp.zeros((3, 4, 2)), jnp.zeros((3, 4, 2))
    each = jax.vmap(lambda q: q.log_prob(jnp.ones(2)))(vc.Gaussian(means, log_vars))
    assert each.shape == (3, 4)
    axes = jax.tree.map(lambda _: 0, vc.Gaussian(means, log_vars))  # no arrays inside: fine
    assert jax.vmap(lambda q: q.mean, in_axes=(axes,))(vc.Gaussian(means, log_vars)).shape[0] == 3
    with pytest.raises(ValueError, match="equal shapes"):
        jax.vmap(lambda mean, log_var: vc.Gaussian(mean, log_var).log_prob(jnp.ones(2)))(
            means, log_vars[:, :2]
        )
    cut = jax.tree.map(lambda a: a[:1], vc.MultivariateNormal(jnp.zeros((3, 2)), jnp.eye(2)))
    with pytest.raises(ValueError, match="covariance must have"):
        cut.batch_shape  # noqa: B018


@pytest.mark.parametrize("seed", range(3))
def test_a_mixture_is_its_weighted_densities_and_its_samples_follow_it(seed):
    rng = np.random.default_rng(seed)
    means, weight = rng.normal(size=2), float(rng.uniform(0.2, 0.8))
    parts = (
        vc.Gaussian(jnp.float32(3 * means[:1]), jnp.full(1, -1.0)),
        vc.Gaussian(jnp.float32(3 * means[1:]), jnp.full(1, 0.5)),
    )
    p = Mixture(parts, (weight, 1 - weight))
    scipys = [stats.norm(3 * m, np.exp(v / 2)) for m, v in zip(means, (-1, 0.5), strict=True)]
    x = np.linspace(-6, 6, 31)
    density = weight * scipys[0].pdf(x) + (1 - weight) * scipys[1].pdf(x)
    log_prob = p.log_prob(jnp.float32(x)[:, None])
    np.testing.assert_allclose(log_prob, np.log(density), rtol=1e-4, atol=1e-4)
    samples = np.asarray(p.sample(jax.random.key(seed), (5000,)))[:, 0]

    def cdf(x):
        return weight * scipys[0].cdf(x) + (1 - weight) * scipys[1].cdf(x)

    assert stats.kstest(samples, cdf).pvalue > 1e-4
    assert abs(float(p.mean[0]) - samples.mean()) < 5 * samples.std() / np.sqrt(5000)


def test_a_distribution_is_a_value_that_can_be_a_key():
    model = vc.LinearGaussian(jnp.ones((1, 1)), jnp.zeros(1), jnp.float32(1))
    for one, name in [
        (vc.Gaussian(jnp.zeros(2), jnp.zeros(2)), "mean"),
        (vc.Bernoulli(jnp.zeros(2)), "logits"),
        (vc.MultivariateNormal(jnp.zeros(2), jnp.eye(2)), "mean"),
        (vc.distributions.ContinuousBernoulli(jnp.zeros(2)), "logits"),
        (vc.distributions.Categorical(jnp.zeros((2, 3))), "logits"),
        (model, "bias"),
    ]:
        with pytest.raises(AttributeError):
            setattr(one, name, jnp.ones(2))
        assert {one: 1}[one] == 1


@pytest.mark.parametrize("logit", [0.09, 0.11, 0.5, 0.9, 1.05, -1.0, 3.0])
def test_continuous_bernoulli_is_exact_on_both_sides_of_its_series(logit):
    p = vc.distributions.ContinuousBernoulli(jnp.array([logit]))
    logit = np.float64(np.float32(logit))
    log_prob = 0.3 * logit - np.log(np.expm1(logit) / logit)
    assert float(p.log_prob(jnp.array([0.3]))) == pytest.approx(log_prob, abs=1e-6)
    mean = 1 / -np.expm1(-logit) - 1 / logit
    assert float(p.mean[0]) == pytest.approx(mean, abs=2e-6)
