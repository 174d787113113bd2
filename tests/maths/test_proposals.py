"""What may be a q: each distribution by rows, shared, mixed; what is no q is refused.

Truth is the linear-Gaussian model's, or a direct computation row by row.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from scipy import stats

import vae_course as vc
from vae_course import bounds, distributions
from vae_course.distributions import Mixture

BATCH, DIM = 7, 2  # seven x of the fixture linear_gaussian


def by_hand(model, q_row, x_row, z):
    """log w of z (n, latent_dim) for one x, by SciPy; q_row(z) is log q."""
    weights = np.asarray(model.weights, float)
    mean = np.asarray(z, float) @ weights.T + np.asarray(model.bias, float)
    noise = np.sqrt(float(model.noise_var))
    log_joint = stats.norm.logpdf(np.asarray(x_row, float), mean, noise).sum(axis=1)
    log_joint += stats.norm.logpdf(np.asarray(z, float)).sum(axis=1)
    return log_joint - np.asarray(q_row.log_prob(z), float)


def rows_and_shared(model, x):
    """name -> (q, whether each row has its own)."""
    posterior = model.posterior(x)
    best = model.best_diagonal(x)
    root = jnp.array([[0.6, 0.0], [0.4, 0.5]])
    full = (
        jnp.broadcast_to(root @ root.T, (BATCH, DIM, DIM))
        * jnp.linspace(1, 2, BATCH)[:, None, None]
    )
    wide, moved = vc.standard_normal(DIM), vc.Gaussian(jnp.ones(DIM), jnp.zeros(DIM))
    return {
        "gaussian": (best, True),
        "gaussian, shared": (wide, False),
        "multivariate, one covariance": (posterior, True),
        "multivariate, a covariance a row": (vc.MultivariateNormal(posterior.mean, full), True),
        "multivariate, shared": (vc.MultivariateNormal(jnp.zeros(DIM), root @ root.T), False),
        "mixture of rows and prior": (Mixture((best, wide), (0.5, 0.5)), True),
        "mixture, shared": (Mixture((wide, moved), (0.3, 0.7)), False),
    }


NAMES = [
    "gaussian", "gaussian, shared", "multivariate, one covariance", "multivariate, shared",
    "multivariate, a covariance a row", "mixture of rows and prior", "mixture, shared",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_those_of_the_formula(linear_gaussian, name):
    model, x = linear_gaussian(0, 5, DIM)
    q, own = rows_and_shared(model, x)[name]
    assert q.batch_shape == ((BATCH,) if own else ())
    key = jax.random.key(1)
    log_weights = vc.log_weights(model, q, x, key, num_samples=11)
    z = q.sample(jax.random.clone(key), (11,))  # one key, one draw
    for row in range(BATCH):
        draws = z[:, row] if own else z
        exact = by_hand(model, q[row], x[row], draws)
        np.testing.assert_allclose(log_weights[:, row], exact, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_weight_is_p_for_any_q(linear_gaussian, name):
    model, x = linear_gaussian(1, 5, DIM, noise_var=2.0)
    q, _ = rows_and_shared(model, x)[name]
    keys = jax.random.split(jax.random.key(2), 20)
    bounds_of = [vc.iwae(model, q, x, key, num_samples=4000) for key in keys]
    ratios = np.exp(np.asarray(bounds_of, float) - np.asarray(model.log_likelihood(x), float))
    error = ratios.std(axis=0, ddof=1) / np.sqrt(len(keys))
    assert error.max() < 0.1
    assert (np.abs(ratios.mean(axis=0) - 1) < 4 * error + 1e-3).all()


@pytest.mark.parametrize("num_samples", [1, 5, 1200])
@pytest.mark.parametrize("name", NAMES)
def test_one_key_is_one_draw_in_every_estimator(linear_gaussian, monkeypatch, name, num_samples):
    monkeypatch.setattr(bounds, "PAIRS", 500 * BATCH)  # 1,200 samples, nowhere else: three blocks
    model, x = linear_gaussian(2, 5, DIM)
    q, _ = rows_and_shared(model, x)[name]
    key = jax.random.key(3)
    log_weights = vc.log_weights(model, q, x, jax.random.clone(key), num_samples=num_samples)
    bound = vc.iwae(model, q, x, jax.random.clone(key), num_samples=num_samples)
    np.testing.assert_allclose(bound, vc.log_mean_exp(log_weights), rtol=1e-5)
    elbo = vc.elbo(model, q, x, key, num_samples=num_samples, analytic_kl=False)
    np.testing.assert_allclose(elbo, log_weights.mean(axis=0), rtol=1e-4, atol=1e-4)


def test_sampling_the_prior_is_iwae_with_the_prior_as_q(linear_gaussian):
    model, x = linear_gaussian(3, 5, DIM)
    key = jax.random.key(0)
    prior = vc.iwae(model, vc.prior_of(model), x, jax.random.clone(key), num_samples=2000)
    ours = vc.prior_log_likelihood(model, x, jax.random.clone(key), num_samples=2000)
    np.testing.assert_array_equal(ours, prior)
    z = vc.standard_normal(DIM).sample(jax.random.clone(key), (300,))
    by_hand = vc.log_mean_exp(model.decode(z).pairwise_log_prob(x))
    ours = vc.prior_log_likelihood(model, x, key, num_samples=300)
    np.testing.assert_allclose(ours, by_hand, rtol=1e-5)


@pytest.mark.parametrize("rows", [2, slice(1, 4), [0, 5], np.array([6, 6, 1]), np.arange(7) > 3])
@pytest.mark.parametrize("name", NAMES)
def test_rows_of_a_q_are_the_q_of_those_rows(linear_gaussian, name, rows):
    model, x = linear_gaussian(4, 5, DIM)
    q, own = rows_and_shared(model, x)[name]
    picked = np.arange(BATCH)[np.asarray(rows) if isinstance(rows, list) else rows]
    part = q[rows]
    assert part.batch_shape == (picked.shape if own else ())
    z = jax.random.normal(jax.random.key(0), (3, BATCH, DIM))
    whole = q.log_prob(z)
    np.testing.assert_allclose(part.log_prob(z[:, picked]), whole[:, picked], rtol=1e-5)


@pytest.mark.parametrize(
    "p",
    [
        vc.Bernoulli(jnp.arange(12.0).reshape(4, 3)),
        distributions.ContinuousBernoulli(jnp.arange(12.0).reshape(4, 3)),
        distributions.Categorical(jnp.arange(24.0).reshape(4, 3, 2)),
    ],
    ids=lambda p: type(p).__name__,
)
def test_rows_of_a_likelihood(p):
    x = jnp.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    assert p.batch_shape == (4,)
    one_by_one = [float(p[row].log_prob(one)) for row, one in zip((1, 2), x, strict=True)]
    np.testing.assert_allclose(p[1:3].log_prob(x), one_by_one, rtol=1e-6)
    assert p.sample(jax.random.key(0)).shape == (4, 3)
    assert p.sample(jax.random.key(0), 5).shape == p.sample(jax.random.key(0), (5,)).shape
    assert p.sample(jax.random.key(0), (5, 2)).shape == (5, 2, 4, 3)
    with pytest.raises(ValueError, match="batch axis only"):
        p[:, 0]


ESTIMATORS = {
    "log_weights": lambda *a: vc.log_weights(*a, num_samples=2),
    "elbo": vc.elbo,
    "iwae": lambda *a: vc.iwae(*a, num_samples=2),
    "evaluate": lambda *a: vc.evaluate(*a, num_samples=2),
    "fit_posterior": lambda *a: vc.fit_posterior(*a, num_steps=2),
    "ais": lambda *a: vc.ais(*a, num_steps=2),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_is_no_q_for_these_x_is_refused(linear_gaussian, name):
    estimate = ESTIMATORS[name]
    model, x = linear_gaussian(5, 5, DIM)
    best, key = model.best_diagonal(x), jax.random.key(0)
    with pytest.raises(ValueError, match=r"batch_shape \(3,\); for 7 rows of x it must be \(7,\)"):
        estimate(model, best[:3], x, key)
    pairs = vc.Gaussian(jnp.zeros((1, BATCH, DIM)), jnp.zeros((1, BATCH, DIM)))
    with pytest.raises(ValueError, match=r"one q for each row, or \(\), one for all"):
        estimate(model, pairs, x, key)
    with pytest.raises(ValueError, match="q must be a distribution over z"):
        estimate(model, best.mean, x, key)
    with pytest.raises(ValueError, match="over 3 latents, the model has 2"):
        estimate(model, vc.standard_normal(3), x, key)


def test_a_function_as_q_is_told_what_to_pass(linear_gaussian):
    model, x = linear_gaussian(5, 5, DIM)
    with pytest.raises(ValueError, match=r"pass vae.encode\(x\), not vae.encode"):
        vc.elbo(model, model.best_diagonal, x, jax.random.key(0))


def test_a_shared_q_never_pairs_sample_i_with_row_i(linear_gaussian):
    """As many samples as rows: what used to be paired in silence."""
    model, x = linear_gaussian(6, 5, DIM)
    key = jax.random.key(0)
    q = vc.standard_normal(DIM)
    log_weights = vc.log_weights(model, q, x, jax.random.clone(key), num_samples=BATCH)
    z = q.sample(key, (BATCH,))
    np.testing.assert_allclose(log_weights, model.decode(z).pairwise_log_prob(x), rtol=1e-4)


def test_gradients_in_a_q_that_carries_none_are_refused(linear_gaussian):
    model, x = linear_gaussian(7, 5, DIM)
    best, prior = model.best_diagonal(x), vc.standard_normal(DIM)
    mixture, key = Mixture((best, prior), (0.5, 0.5)), jax.random.key(0)
    for estimate in (vc.elbo, ESTIMATORS["log_weights"], ESTIMATORS["iwae"]):

        def total(q, estimate=estimate):
            return estimate(model, q, x, jax.random.clone(key)).sum()

        for slope in (jax.grad(total), jax.jit(jax.grad(total))):
            with pytest.raises(ValueError, match="do not flow through the samples of Mixture"):
                slope(mixture)
    with pytest.raises(ValueError, match="q is a Mixture"):
        vc.fit_posterior(model, mixture, x, key)


def test_gradients_in_the_model_go_through_any_q(linear_gaussian):
    """Of log p(x): 5,000 samples of a mixture give the gradient of the formula."""
    model, x = linear_gaussian(8, 5, DIM, noise_var=2.0)
    mixture = Mixture((model.best_diagonal(x), vc.standard_normal(DIM)), (0.5, 0.5))

    def with_bias(bias):
        return vc.LinearGaussian(model.weights, bias, model.noise_var)

    def estimate(bias, key):
        return vc.iwae(with_bias(bias), mixture, x, key, num_samples=5000).mean()

    keys = jax.random.split(jax.random.key(1), 20)
    slopes = np.asarray([jax.grad(estimate)(model.bias, key) for key in keys], float)
    exact = jax.grad(lambda bias: with_bias(bias).log_likelihood(x).mean())(model.bias)
    error = slopes.std(axis=0, ddof=1) / np.sqrt(len(keys))
    assert error.max() < 0.02
    # The gradient of a log is biased by about the error's square: far below it here.
    assert (np.abs(slopes.mean(axis=0) - exact) < 4 * error + 1e-3).all()


def test_the_slope_of_samples_is_that_of_the_mean():
    """Gaussian, MultivariateNormal and ContinuousBernoulli say that they are reparameterised."""
    logits = jnp.array([-3.0, 0.05, 2.0])

    def sampled(logits):
        p = distributions.ContinuousBernoulli(logits)
        return p.sample(jax.random.key(0), (40_000,)).mean(axis=0).sum()

    exact = jax.grad(lambda logits: distributions.ContinuousBernoulli(logits).mean.sum())(logits)
    np.testing.assert_allclose(jax.grad(sampled)(logits), exact, atol=2e-3)
    root = jnp.array([[1.0, 0.0], [0.8, 0.5]])

    def second_moment(covariance):
        z = vc.MultivariateNormal(jnp.ones(2), covariance).sample(jax.random.key(1), (40_000,))
        return jnp.mean(z[:, 0] * z[:, 1])

    slope = jax.grad(second_moment)(root @ root.T)
    assert abs(float(slope[0, 1] + slope[1, 0]) - 1) < 0.05
    for kind in (vc.Gaussian, vc.MultivariateNormal, distributions.ContinuousBernoulli):
        assert kind.reparameterised
    for kind in (vc.Bernoulli, distributions.Categorical, Mixture):
        assert not kind.reparameterised


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Shifted:
    """A q of somebody's own: a normal moved by a learned shift."""

    base: vc.Gaussian
    shift: jax.Array
    reparameterised = True

    @property
    def batch_shape(self):
        return self.base.batch_shape

    def __getitem__(self, rows):
        return Shifted(self.base[rows], self.shift[rows])

    def sample(self, key, sample_shape=()):
        return self.base.sample(key, sample_shape) + self.shift

    def log_prob(self, z):
        return self.base.log_prob(z - self.shift)

    def sample_and_log_prob(self, key, sample_shape=()):
        z, log_prob = self.base.sample_and_log_prob(key, sample_shape)
        return z + self.shift, log_prob


def test_a_q_of_ones_own_works_as_a_gaussian_does():
    with jax.numpy_rank_promotion("allow"):
        model = vc.LinearGaussian(jnp.ones((3, 2)), jnp.zeros(3), jnp.float32(1))
        x, key = jnp.arange(12.0).reshape(4, 3) / 4, jax.random.key(0)
        best = model.best_diagonal(x)
        q = Shifted(vc.Gaussian(best.mean - 1, best.log_var), jnp.ones((4, 2)))
        again = vc.elbo(model, best, x, jax.random.clone(key), num_samples=8, analytic_kl=False)
        ours = vc.elbo(model, q, x, jax.random.clone(key), num_samples=8)
        np.testing.assert_allclose(ours, again, rtol=1e-4)
        slope = jax.grad(
            lambda shift: vc.elbo(model, Shifted(q.base, shift), x, key, num_samples=8).sum()
        )(q.shift)
        assert np.isfinite(slope).all()

        class NoPytree(Shifted):
            pass

        with pytest.raises(ValueError, match="register_dataclass"):
            vc.elbo(model, NoPytree(q.base, q.shift), x, key)


class LearnedPrior(nnx.Module):
    """A linear decoder whose prior's mean and variance are parameters."""

    latent_dim = 1

    def __init__(self):
        self.prior_mean = nnx.Param(jnp.zeros(1))
        self.prior_log_var = nnx.Param(jnp.zeros(1))

    @property
    def prior(self):
        return vc.Gaussian(self.prior_mean[...], self.prior_log_var[...])

    def decode(self, z):
        return vc.Gaussian(z, jnp.zeros_like(z))


def test_fit_moves_a_learned_prior_to_where_the_formula_says():
    """x = z + noise of variance 1: the best prior has mean 3 and variance 4 - 1."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 1)).astype(np.float32)
    x = 3 + 2 * (x - x.mean()) / x.std()
    model = LearnedPrior()

    def loss(model, x, key):
        return -jnp.mean(vc.prior_log_likelihood(model, x, key, num_samples=1000)), {}

    vc.fit(
        model, loss, x, key=jax.random.key(0), num_epochs=400, batch_size=400,
        tx=optax.adam(vc.warmup_cosine(0.1, 400)),
    )  # fmt: skip
    assert abs(float(model.prior_mean[...][0]) - 3) < 0.1
    assert abs(float(jnp.exp(model.prior_log_var[...])[0]) - 3) < 0.4
    # Every estimator uses this prior: p(x) is a normal of variance prior's + 1.
    mean, var = float(model.prior_mean[...][0]), float(jnp.exp(model.prior_log_var[...])[0])
    x = jnp.asarray(x[np.abs(x[:, 0]) < 4][:5])  # posteriors well inside the grid
    exact = stats.norm.logpdf(x[:, 0], mean, np.sqrt(var + 1))
    key = jax.random.key(1)
    np.testing.assert_allclose(vc.grid_log_likelihood(model, x), exact, atol=0.01)
    q = vc.Gaussian((x * var + mean) / (var + 1), jnp.full((5, 1), np.log(var / (var + 1))))
    for estimate in (ESTIMATORS["iwae"], vc.elbo):  # q is the posterior: exact
        if estimate is vc.elbo:
            found = vc.elbo(model, q, x, jax.random.clone(key), num_samples=4000)
        else:
            found = estimate(model, q, x, jax.random.clone(key))
        np.testing.assert_allclose(found, exact, atol=0.1 if estimate is vc.elbo else 1e-3)
    log_weights = vc.ais(model, q, x, key, num_chains=2, num_steps=3)
    np.testing.assert_allclose(log_weights, np.broadcast_to(exact, (2, 5)), atol=1e-3)


class MixturePrior(LearnedPrior):
    @property
    def prior(self):
        left = vc.Gaussian(self.prior_mean[...], jnp.zeros(1))
        return Mixture((left, vc.Gaussian(-self.prior_mean[...], jnp.zeros(1))), (0.5, 0.5))


def test_a_mixture_prior_is_trained_through_its_density():
    """Two hills at 3 and -3: the slope of log p(x) in the hills' place, by its formula."""
    model = MixturePrior()
    model.prior_mean[...] = jnp.array([2.0])
    x = jnp.array([[3.0], [-2.5], [0.3]])
    graphdef, params = nnx.split(model)

    def estimate(params, key):
        merged = nnx.merge(graphdef, params)
        return vc.prior_log_likelihood(merged, x, key, num_samples=20_000).mean()

    def formula(mean):
        normal = jax.scipy.stats.norm.logpdf
        both = normal(x, mean, 2**0.5), normal(x, -mean, 2**0.5)
        return jnp.mean(jnp.logaddexp(*both) - jnp.log(2.0))

    keys = jax.random.split(jax.random.key(0), 20)
    slopes = [float(jax.grad(estimate)(params, key)["prior_mean"][...][0]) for key in keys]
    error = np.std(slopes, ddof=1) / np.sqrt(len(keys))
    assert error < 0.02
    assert abs(np.mean(slopes) - float(jax.grad(formula)(2.0))) < 4 * error + 1e-3


@pytest.mark.parametrize("prior", [jnp.zeros(1), vc.Gaussian(jnp.zeros((3, 1)), jnp.zeros((3, 1)))])
def test_what_is_no_prior_is_refused(prior):
    class Odd(LearnedPrior):
        pass

    Odd.prior = property(lambda self: prior)
    with pytest.raises(ValueError, match="prior"):
        vc.prior_log_likelihood(Odd(), jnp.zeros((2, 1)), jax.random.key(0), num_samples=2)


class WithDropout(nnx.Module):
    latent_dim = 2

    def __init__(self, rngs):
        self.decoder = vc.Decoder(2, (4,), 6, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def decode(self, z):
        return self.decoder.decode(self.drop(z))


@pytest.mark.parametrize("name", [*ESTIMATORS, "grid"])
def test_a_model_in_training_mode_is_not_measured(name):
    model = WithDropout(nnx.Rngs(0))
    x, q = jnp.ones((3, 6)), vc.standard_normal(2)
    measure = ESTIMATORS.get(name, lambda model, q, x, key: vc.grid_log_likelihood(model, x))
    with pytest.raises(ValueError, match=r"drop \(Dropout\) is in training mode.*\.eval\(\)"):
        measure(model, q, x, jax.random.key(0))
    model.eval()
    if name != "fit_posterior":  # two steps do not converge
        measure(model, q, x, jax.random.key(0))


def test_training_with_dropout_is_training():
    model = WithDropout(nnx.Rngs(0))

    def loss(model, x, key):
        return -jnp.mean(vc.elbo(model, vc.standard_normal(2), x, key)), {}

    options = {"num_epochs": 20, "batch_size": 3, "tx": optax.adam(0.05)}
    history = vc.fit(model, loss, jnp.ones((3, 6)), key=jax.random.key(0), **options)
    assert history["loss"][-1] < history["loss"][0]


def test_a_loss_may_use_a_model_that_stays_as_it_is():
    """An encoder is trained for a finished decoder: the decoder is no argument of the loss."""
    decoder = vc.Decoder(2, (4,), 6, rngs=nnx.Rngs(0))
    before = nnx.state(nnx.clone(decoder))

    def loss(encoder, x, key):
        return -jnp.mean(vc.elbo(decoder, encoder.encode(x), x, key)), {}

    encoder = vc.Encoder(6, (4,), 2, rngs=nnx.Rngs(1))
    options = {"num_epochs": 20, "batch_size": 5, "tx": optax.adam(0.02)}
    history = vc.fit(encoder, loss, jnp.ones((5, 6)), key=jax.random.key(0), **options)
    assert history["loss"][-1] < history["loss"][0]
    jax.tree.map(np.testing.assert_array_equal, nnx.state(decoder), before)
