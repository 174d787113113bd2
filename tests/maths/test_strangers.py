"""Situations that people report in public: a right number, or a sentence that shows the way out."""

import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from scipy import special, stats
from sklearn.datasets import load_wine

import vae_course as vc
from vae_course import autoregressive, bounds, inference, likelihoods, models, streaming
from vae_course.bounds import part_key

RNG = np.random.default_rng(0)
X = (RNG.random((64, 16)) < 0.5).astype(np.float32)
TX = optax.adam(1e-3)
KEY = jax.random.key(0)


def key(number=0):
    return jax.random.key(number)


def loss_of_vae(vae, x, key):
    return -vc.elbo(vae, vae.encode(x), x, key).mean(), {}


def fit(model, loss=loss_of_vae, data=X, **options):
    options = dict(key=key(), num_epochs=2, batch_size=16, tx=TX) | options
    return vc.fit(model, loss, data, **options)


def vae(**options):
    return vc.VAE(2, (16,), 16, rngs=nnx.Rngs(0), **options)


# Models that people bring.


class Brought(nnx.Module):
    """A VAE with dropout and batch norm in its encoder, and a list that only describes it."""

    latent_dim = 2

    def __init__(self, *, dropout=True, norm=True):
        rngs = nnx.Rngs(0)
        self.hidden = [16]
        self.into, self.out = nnx.Linear(16, 16, rngs=rngs), nnx.Linear(16, 4, rngs=rngs)
        self.drop = nnx.Dropout(0.1, rngs=rngs) if dropout else None
        self.norm = nnx.BatchNorm(16, rngs=rngs) if norm else None
        self.calls = nnx.Variable(jnp.array(0))
        self.decoder = vc.Decoder(2, (8,), 16, rngs=rngs)

    def encode(self, x):
        self.calls[...] += 1
        hidden = self.into(x)
        for layer in (self.norm, self.drop):
            hidden = hidden if layer is None else layer(hidden)
        return vc.Gaussian(*jnp.split(self.out(nnx.relu(hidden)), 2, axis=-1))

    def decode(self, z):
        return self.decoder.decode(z)


def state_of(model):
    return jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model, nnx.Not(nnx.RngState))))


@pytest.mark.parametrize("dropout", [True, False])
@pytest.mark.parametrize("norm", [True, False])
def test_training_keeps_the_state_of_modules_and_measuring_changes_none(dropout, norm):
    model = Brought(dropout=dropout, norm=norm)
    history = fit(model, num_epochs=3)
    assert np.isfinite(history["loss"]).all()
    assert int(model.calls[...]) == 3 * 4
    if norm:
        assert float(jnp.abs(model.norm.mean[...]).max()) > 0
    if dropout:
        assert int(model.drop.rngs.count[...]) == 3 * 4
    if dropout or norm:
        with pytest.raises(ValueError, match=r"in training mode.*\.eval\(\)"):
            vc.evaluate(model, model.encode, X, key(), num_samples=2)
        assert int(model.calls[...]) == 3 * 4  # refused before the encoder was called
    model.eval()
    q = model.encode(X)
    before = state_of(model)
    vc.evaluate(model, q, X, key(), num_samples=2)
    vc.prior_log_likelihood(model, X, key(), num_samples=2)
    vc.ais(model, q, X, key(), num_steps=2, num_chains=1)
    vc.grid_log_likelihood(model, X)
    jax.tree.map(np.testing.assert_array_equal, state_of(model), before)


def test_running_averages_are_those_of_a_loop_by_hand():
    model, by_hand = Brought(dropout=False), Brought(dropout=False)
    fit(model, num_epochs=1, batch_size=64, tx=optax.sgd(0.0))
    by_hand.encode(X)
    np.testing.assert_allclose(model.norm.mean[...], by_hand.norm.mean[...], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.norm.var[...], by_hand.norm.var[...], rtol=1e-4)


def test_going_on_from_a_state_goes_on_with_running_averages_and_dropout():
    whole, first, second = Brought(), Brought(), Brought()
    at_once = fit(whole, num_epochs=4)["loss"]
    begun = fit(first, num_epochs=2)
    rest = fit(second, num_epochs=2, key=None, state=begun.state)
    np.testing.assert_array_equal(np.concatenate([begun["loss"], rest["loss"]]), at_once)
    jax.tree.map(np.testing.assert_array_equal, state_of(second), state_of(whole))


class Convolutional(nnx.Module):
    """x stays (batch, 16): the modules fold it into 4 x 4 pixels and back."""

    latent_dim = 2

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.conv = nnx.Conv(1, 3, (3, 3), rngs=rngs)
        self.out = nnx.Linear(48, 4, rngs=rngs)
        self.into = nnx.Linear(2, 12, rngs=rngs)
        self.unfold = nnx.ConvTranspose(3, 1, (2, 2), strides=(2, 2), rngs=rngs)

    def encode(self, x):
        hidden = nnx.relu(self.conv(x.reshape(-1, 4, 4, 1))).reshape(len(x), -1)
        return vc.Gaussian(*jnp.split(self.out(hidden), 2, axis=-1))

    def decode(self, z):
        return vc.Bernoulli(self.unfold(self.into(z).reshape(-1, 2, 2, 3)).reshape(-1, 16))


def test_convolutions_are_trained_and_measured_by_every_estimator():
    model, x = Convolutional(), X[:8]
    assert np.isfinite(fit(model)["loss"]).all()
    exact = vc.grid_log_likelihood(model, x)
    q = vc.fit_posterior(model, model.encode(x), x, key(), num_steps=100)
    for found in (
        vc.iwae(model, q, x, key(), num_samples=4000),
        vc.prior_log_likelihood(model, x, key(), num_samples=4000),
        vc.log_mean_exp(vc.ais(model, q, x, key(), num_steps=20)),
    ):
        np.testing.assert_allclose(found, exact, atol=0.2)


def test_a_python_number_that_counts_is_named():
    class Counting(Brought):
        seen = 0

        def encode(self, x):
            self.seen = self.seen + 1
            return super().encode(x)

    with pytest.raises(ValueError, match="the model changes seen while.*nnx.Variable"):
        fit(Counting())


@pytest.mark.parametrize("holds", [[16, 16], {"a": [1]}, {1, 2}, np.arange(3), "words", (1, 2)])
def test_a_module_may_hold_what_describes_it(holds):
    model = Brought()
    model.notes = holds
    assert np.isfinite(fit(model)["loss"]).all()
    model.eval()
    vc.evaluate(model, model.encode, X, key(), num_samples=2)


def test_a_list_that_changes_is_another_model():
    class Powers(Brought):
        def decode(self, z):
            return vc.Bernoulli(self.decoder.decode(z).logits * self.hidden[0])

    model = Powers()
    model.eval()
    q, one = model.encode(X), vc.elbo(model, model.encode(X), X, key())
    model.hidden[0] = 1
    other = vc.elbo(model, q, X, key())
    assert float(jnp.abs(one - other).max()) > 0.1


def test_a_model_that_jax_cannot_see_into_is_told_how():
    class Plain:
        latent_dim = 2

        def decode(self, z):
            return vc.Bernoulli(z)

    with pytest.raises(ValueError, match="derive it from flax.nnx.Module, or decorate"):
        vc.prior_log_likelihood(Plain(), X[:, :2], key(), num_samples=2)
    with pytest.raises(ValueError, match="a model has `latent_dim` and `decode"):
        vc.prior_log_likelihood(nnx.Linear(2, 2, rngs=nnx.Rngs(0)), X, key(), num_samples=2)


# Likelihoods of one's own.


class Poisson:
    support = (0, np.inf)

    def __init__(self, rate):
        self.rate = rate

    def log_prob(self, x):
        each = x * jnp.log(self.rate) - self.rate - jax.scipy.special.gammaln(x + 1)
        return each.sum(axis=-1)


class PoissonEach(Poisson):
    def log_prob(self, x):
        return x * jnp.log(self.rate) - self.rate - jax.scipy.special.gammaln(x + 1)


class PairwisePoisson(Poisson):
    def pairwise_log_prob(self, x):
        constant = jax.scipy.special.gammaln(x + 1).sum(axis=-1)
        return jnp.log(self.rate) @ x.T - self.rate.sum(axis=-1)[:, None] - constant[None]


@pytest.mark.parametrize("kind", [Poisson, PairwisePoisson])
def test_a_likelihood_of_ones_own_is_measured_exactly(kind):
    counts = RNG.poisson(2.0, (9, 16)).astype(np.float32)
    model = vae(likelihood=lambda outputs: kind(jnp.exp(outputs)))
    with jax.numpy_rank_promotion("allow"):
        z = vc.standard_normal(2).sample(key(), (300,))
        rates = np.exp(np.float64(model.decoder.mlp(z)))
        log_p = stats.poisson.logpmf(counts[None], rates[:, None]).sum(axis=-1)
        expected = special.logsumexp(log_p, axis=0) - np.log(300)
        found = vc.prior_log_likelihood(model, counts, key(), num_samples=300)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        q = model.encode(counts)
        by_rows = vc.log_weights(model, q, counts, key(), num_samples=3)
        z = q.sample(key(), (3,))
        rates = np.exp(np.float64(model.decoder.mlp(z)))
        log_p = stats.poisson.logpmf(counts[None], rates).sum(axis=-1)
        log_ratio = vc.standard_normal(2).log_prob(z) - q.log_prob(z)
        np.testing.assert_allclose(by_rows, log_p + log_ratio, rtol=1e-4)
        with pytest.raises(ValueError, match=r"x is -\d+ in row 0, column 0"):
            vc.prior_log_likelihood(model, -1 - counts, key(), num_samples=3)


def test_a_log_prob_that_does_not_sum_is_named():
    model = vae(likelihood=lambda outputs: PoissonEach(jnp.exp(outputs)))
    says = r"log_prob of PoissonEach gives shape \(1, 16\).*sums over the last axis"
    with pytest.raises(ValueError, match=says):
        vc.elbo(model, model.encode(X[:16]), X[:16], key())
    with pytest.raises(ValueError, match=says):
        fit(model)


# Values that cannot be right.


def test_unscaled_columns_are_named_before_the_first_step():
    wine = load_wine().data.astype(np.float32)
    model = vc.VAE(2, (16,), 13, likelihood=likelihoods.LearnedGaussian(13), rngs=nnx.Rngs(0))
    before = state_of(model)
    with pytest.raises(ValueError, match=r"before the first step.*row \d+.*column 12.*tandardise"):
        fit(model, data=wine)
    jax.tree.map(np.testing.assert_array_equal, state_of(model), before)
    scaled = (wine - wine.mean(axis=0)) / wine.std(axis=0)
    assert np.isfinite(fit(model, data=scaled)["loss"]).all()


def binarizing(model, images, key):
    x_key, z_key = jax.random.split(key)
    x = vc.binarize(images, x_key)
    return -vc.elbo(model, model.encode(x), x, z_key).mean(), {}


@pytest.mark.parametrize("loss", [loss_of_vae, binarizing])
@pytest.mark.parametrize("likelihood", [vc.Bernoulli, vc.distributions.ContinuousBernoulli])
def test_one_value_outside_the_support_is_found_in_training(loss, likelihood):
    data = X.copy()
    data[41, 7] = -1
    with pytest.raises(ValueError, match="-1 in row 41, column 7.*from 0 to 1"):
        fit(vae(likelihood=likelihood), loss, data)
    data[41, 7] = 1.0000001
    assert np.isfinite(fit(vae(likelihood=likelihood), loss, data)["loss"]).all()


MEASURES = {
    "log_weights": lambda m, q, x: vc.log_weights(m, q, x, key(), num_samples=2),
    "elbo": lambda m, q, x: vc.elbo(m, q, x, key()),
    "iwae": lambda m, q, x: vc.iwae(m, q, x, key(), num_samples=2),
    "prior": lambda m, q, x: vc.prior_log_likelihood(m, x, key(), num_samples=2),
    "evaluate": lambda m, q, x: vc.evaluate(m, q, x, key(), num_samples=2),
    "fit_posterior": lambda m, q, x: vc.fit_posterior(m, q, x, key(), num_steps=50),
    "ais": lambda m, q, x: vc.ais(m, q, x, key(), num_steps=2, num_chains=1),
    "grid": lambda m, q, x: vc.grid_log_likelihood(m, x),
    "grid_posterior": lambda m, q, x: vc.grid_posterior(m, x),
}


@pytest.mark.parametrize("name", MEASURES)
def test_bad_values_are_named_by_every_measurement(name):
    model, q = vae(), vc.standard_normal(2)
    for bad, says in {
        -1.0: "x is -1 in row 3, column 5.*from 0 to 1",
        1.01: "x is 1.01 in row 3, column 5.*from 0 to 1",
        np.nan: "x is nan in row 3, column 5",
        -np.inf: "x is -inf in row 3, column 5",
    }.items():
        x = X.copy()
        x[3, 5] = bad
        with pytest.raises(ValueError, match=says):
            MEASURES[name](model, q, x)
    x = X.copy()
    x[3, 5] = 1 + 1e-6  # as resized images have
    MEASURES[name](model, q, x)
    model.decoder.mlp.layers[1].kernel[...] = (
        model.decoder.mlp.layers[1].kernel[...].at[2, 1].set(jnp.nan)
    )
    with pytest.raises(ValueError, match=r"decoder.*kernel is nan in row 2, column 1"):
        MEASURES[name](model, q, X)


def test_a_model_that_is_not_finite_is_not_trained():
    model = vae()
    model.decoder.mlp.layers[1].kernel[...] *= jnp.inf
    with pytest.raises(ValueError, match="kernel is .*before any training"):
        fit(model)


def test_a_variance_that_overflows_is_named():
    with pytest.raises(ValueError, match="log_var is 239 in row 1, column 0.*does not fit"):
        vc.Gaussian(jnp.zeros((2, 1)), jnp.array([[0.0], [239.0]]))
    q = jax.jit(lambda: vc.Gaussian(jnp.zeros((64, 2)), jnp.full((64, 2), 239.0)))()
    with pytest.raises(ValueError, match="row 0 of x"):
        vc.evaluate(vae(), q, X, key(), num_samples=4)


@pytest.mark.parametrize("summary", [vc.log_mean_exp, vc.effective_sample_size])
def test_log_weights_that_are_no_numbers_are_named(summary):
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match=f"log weights is {bad} in row 1, column 0"):
            summary(jnp.array([[0.0, 1.0], [bad, 0.0]]))
    with pytest.raises(ValueError, match="nothing to average"):
        summary(jnp.zeros((0, 3)))
    found = summary([0.0, -np.inf])
    assert float(found) == pytest.approx(1 if summary is vc.effective_sample_size else -np.log(2))


def test_weights_that_are_all_zero_have_no_effective_size():
    with pytest.raises(ValueError, match="all of the log weights are -inf: no sample explains"):
        vc.effective_sample_size(jnp.full((3, 2), -jnp.inf))


# Exact answers.


@pytest.mark.parametrize("condition", [1, 1e2, 1e4, 1e6, 1e8])
@pytest.mark.parametrize(("data_dim", "latent_dim"), [(3, 1), (5, 2), (20, 4), (4, 4)])
def test_linear_gaussian_answers_are_those_of_float64_or_refused(data_dim, latent_dim, condition):
    """Directions from 1 to 1 / sqrt(condition) in length, and noise below them all."""
    rng = np.random.default_rng(latent_dim)
    left, _, right = np.linalg.svd(rng.normal(size=(data_dim, latent_dim)), full_matrices=False)
    lengths = np.geomspace(1, condition**-0.25, latent_dim)
    weights = np.float32(left * lengths @ right)
    noise_var = np.float32(condition**-0.5)
    bias = np.float32(rng.normal(size=data_dim))
    model = vc.LinearGaussian(weights, bias, noise_var)
    x = rng.normal(size=(6, latent_dim)) @ weights.T + bias
    x = np.float32(x + np.sqrt(noise_var) * rng.normal(size=x.shape))
    wide = np.float64(weights)
    eigenvalues, vectors = np.linalg.eigh(wide @ wide.T)
    total = np.maximum(eigenvalues, 0) + np.float64(noise_var)
    coordinates = (np.float64(x) - np.float64(bias)) @ vectors
    exact = -0.5 * (coordinates**2 / total + np.log(2 * np.pi * total)).sum(axis=1)
    tolerance = 1e-6 * np.abs(exact).max() + 1e-5
    np.testing.assert_allclose(model.log_likelihood(x), exact, atol=tolerance)
    compiled = jax.jit(lambda model, x: model.log_likelihood(x))(model, x)
    np.testing.assert_allclose(compiled, exact, atol=0.01)
    try:
        posterior = model.posterior(x)
    except ValueError as error:
        assert "positive definite" in str(error)  # noqa: PT017
        return
    # What remains is the rounding of the posterior's own numbers to float32.
    np.testing.assert_allclose(model.exact_elbo(posterior, x), exact, atol=0.01)
    best = model.best_diagonal(x)
    assert (np.asarray(model.exact_elbo(best, x)) <= exact + tolerance).all()


def test_quadrature_refuses_numbers_that_float32_does_not_hold():
    model = vc.LinearGaussian(jnp.ones((400, 1)), jnp.zeros(400), jnp.float32(1e-3))
    z = np.linspace(-1, 1, 400, dtype=np.float32)
    with pytest.raises(ValueError, match="holds such numbers to|too rugged"):
        vc.grid_log_likelihood(model, (5 * z)[None])


def test_a_covariance_that_is_none_is_named():
    for covariance, says in [
        (jnp.ones((2, 2)), "not positive definite"),
        (jnp.array([[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
        (jnp.array([[1.0, jnp.nan], [jnp.nan, 1.0]]), "covariance is nan"),
    ]:
        with pytest.raises(ValueError, match=says):
            vc.MultivariateNormal(jnp.zeros(2), covariance)
    for scale in (1e-4, 1.0, 1e4):  # what is symmetric but for rounding depends on the scale
        covariance = scale * np.array([[2, 1], [1, 2]])
        vc.MultivariateNormal(jnp.zeros(2), covariance + scale * np.array([[0, 1e-5], [0, 0]]))
        with pytest.raises(ValueError, match="not symmetric"):
            vc.MultivariateNormal(jnp.zeros(2), covariance + scale * np.array([[0, 0.01], [0, 0]]))
    covariance = np.float32([[1, 0.9999], [0.9999, 1]])
    q = vc.MultivariateNormal(jnp.zeros(2), covariance)
    x = np.float32([[1, -1], [0.5, 0.5]])
    expected = stats.multivariate_normal(np.zeros(2), np.float64(covariance)).logpdf(x)
    np.testing.assert_allclose(q.log_prob(x), expected, rtol=1e-6)


# Searches and chains.


def test_ais_says_when_its_chains_disagree():
    model = vc.LinearGaussian(jnp.ones((5, 1)) * 9, jnp.zeros(5), jnp.float32(0.01))
    x, prior = jnp.ones((3, 5)) * 9, vc.standard_normal(1)
    with pytest.warns(RuntimeWarning, match="chains have not converged.*more num_steps"):
        vc.ais(model, prior, x, key(), num_steps=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vc.ais(model, model.posterior(x), x, key(), num_steps=3)
    q = model.best_diagonal(x)  # exact: there is one latent
    q = vc.Gaussian(q.mean.at[2].set(0), q.log_var.at[2].set(0))
    with pytest.warns(RuntimeWarning, match="in 1 of 3 rows: in row 2,"):
        vc.ais(model, q, x, key(), num_steps=3, num_chains=2)


def test_parts_of_a_measurement_have_keys_of_their_own():
    first = key()
    every = [*jax.random.split(first, 64), *(jax.random.fold_in(first, n) for n in range(64))]
    every += [part_key(first, number) for number in range(64)]
    distinct = {tuple(jax.random.key_data(one).tolist()) for one in every}
    assert len(distinct) == 2 * 64  # the 64 of split are the 64 of fold_in


# Ordinary inputs.


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.tolist(),
        lambda x: x.astype(np.float64),
        lambda x: x.astype(np.float16),
        lambda x: x.astype(np.int64),
        lambda x: x.astype(bool),
        lambda x: jnp.asarray(x),
        lambda x: [row for row in x],
        lambda x: np.asfortranarray(x),
        lambda x: Frame(x),
    ],
)
def test_ordinary_arrays_are_taken(convert):
    model = vae()
    expected = vc.iwae(model, model.encode(X), X, key(), num_samples=np.int64(5))
    found = vc.iwae(model, model.encode(X), convert(X), key(), num_samples=5)
    np.testing.assert_array_equal(found, expected)
    assert np.isfinite(fit(vae(), data=convert(X), num_epochs=np.int32(1))["loss"]).all()


class Frame:
    """As much of pandas as matters: it turns into an array of objects, and has no dtype."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype=dtype or object)


def number_only(model, x, key):
    return -vc.elbo(model, model.encode(x), x, key).mean()


def pair(model, batch, key):
    return loss_of_vae(model, batch[0], key)


def test_ordinary_calls_are_taken():
    assert np.isfinite(fit(vae(), number_only)["loss"]).all()
    assert np.isfinite(fit(vae(), pair, [X, np.arange(64)])["loss"]).all()
    assert vc.VAE(np.int64(2), 16, 16, rngs=0).latent_dim == 2
    assert vc.standard_normal(2).sample(key(), 0).shape == (0, 2)
    for rngs in (0, jax.random.key(0), nnx.Rngs(0)):
        for model in (
            vc.VAE(2, 8, 16, rngs=rngs),
            vc.Decoder(2, 8, 16, rngs=rngs),
            vc.FourierDecoder(2, 8, 16, rngs=rngs),
            vc.LinearVAE(2, 16, rngs=rngs),
            autoregressive.AutoregressiveVAE(2, 8, 16, width=8, rngs=rngs),
        ):
            assert model.decode(jnp.zeros((3, 2))).log_prob(X[:3]).shape == (3,)
        for network in (vc.Encoder(16, 8, 2, rngs=rngs).encode, models.MLP((16, 2), rngs=rngs)):
            assert jax.tree.leaves(network(X))[0].shape == (64, 2)
    assert vc.Encoder(16, 8, 2, rngs=jax.random.key(1)).encode(X).mean.shape == (64, 2)


def measured(decode):
    """A bound of a model with this `decode`."""
    model = vae()
    object.__setattr__(model, "decode", decode)
    return vc.prior_log_likelihood(model, X, key(), num_samples=2)


REFUSED = [
    (lambda: vc.VAE(0, (16,), 16, rngs=0), "latent_dim must be a positive integer, got 0"),
    (lambda: vc.VAE(2, (16, 0), 16, rngs=0), "hidden must be a positive integer, got 0"),
    (lambda: vc.VAE(2, (16,), 2.5, rngs=0), "data_dim must be a positive integer, got 2.5"),
    (lambda: vae().encode(X[:, :8]), r"takes 16 columns, got shape \(64, 8\)"),
    (lambda: vae().decode(jnp.zeros((3, 5))), r"takes 2 columns, got shape \(3, 5\)"),
    (lambda: MEASURES["iwae"](vae(), vc.standard_normal(2), X[:, :8]), "x with 8 columns"),
    (lambda: MEASURES["iwae"](vae(), vc.standard_normal(2), "abc"), "array of numbers"),
    (lambda: MEASURES["iwae"](vae(), vc.standard_normal(2), [[1.0], [1.0, 2]]), "rows of one"),
    (lambda: MEASURES["iwae"](vae(), vc.standard_normal(2), X * 1j), "real numbers"),
    (lambda: MEASURES["iwae"](vae(), vc.standard_normal(2), X[:0]), r"\(0, 16\)"),
    (lambda: vc.iwae(vae(), vc.standard_normal(2), X, 0, num_samples=2), "a key comes from"),
    (lambda: vc.iwae(vae(), vc.standard_normal(2), X, key(), num_samples=True), "got True"),
    (lambda: fit(vae(), key=jax.random.split(key(), 3)), "a key comes from"),
    (lambda: fit(vae(), tx=1e-3), "optax.adam"),
    (lambda: fit(vae(), lambda m, x, k: (m.encode(x).mean, {})), "the loss must be a scalar"),
    (lambda: fit(vae(), lambda m, x, k: (jnp.sum(x), {"a": x})), "the metric 'a' must be"),
    (lambda: fit(vae(), lambda m, x, k: "loss"), "loss_fn must return a scalar"),
    (lambda: fit(vae(), lambda m, x, k: None), "loss_fn must return a scalar"),
    (lambda: fit(vae(), lambda m, x, k: 3), "must be a real number to have slopes, got 3"),
    (lambda: fit(vae(), lambda m, x: 0.0), r"loss_fn\(model, batch, key\): too many"),
    (lambda: fit(vae(), "elbo"), "loss_fn must be a function, got 'elbo'"),
    (
        lambda: fit(vae(), lambda m, x, k: float(x.sum())),
        r"<lambda> \(.*float\(x.*needs the values.*no float",
    ),
    (lambda: fit(vae(), lambda m, x, k: 1.0 if x.sum() > 0 else 0.0), "jnp.where for `if`"),
    (lambda: fit(vae(), lambda m, x, k: np.square(np.asarray(x))), "jnp for np"),
    (lambda: fit({}, lambda m, x, k: 0.0), "trains an nnx.Module, got a dict"),
    (lambda: fit(vae(), on_epoch_end=3), "on_epoch_end must be a function, got 3"),
    (lambda: fit(vae(), data={"x": X}), "an array or a tuple of arrays"),
    (lambda: MEASURES["iwae"](vae(), vc.standard_normal(2), None), "got None"),
    (
        lambda: MEASURES["iwae"](vae(), vc.standard_normal(2), np.array(["2020-01-01"], "M8[D]")),
        "datetime64",
    ),
    (lambda: measured(lambda z: vc.Bernoulli(np.tanh(np.asarray(z)) @ np.ones((2, 16)))), "np"),
    (lambda: measured(lambda z: vc.Bernoulli(jnp.zeros((len(z), 16)) + float(z[0, 0]))), "float"),
    (
        lambda: vc.log_weights(vae(), vc.standard_normal(2), X, key(), num_samples=10**8),
        "100,000,000 weights for each of 64 rows do not fit in 4 gigabytes: iwae",
    ),
    (lambda: vae().encode(X)[100], "index 100 is out of bounds"),  # JAX takes the last row
    (lambda: vae().encode(X)["a"], "of integer"),
    (lambda: vc.standard_normal(2.0), "dim must be a positive integer, got 2.0"),
    (lambda: vc.standard_normal(2).sample(key(), 2.5), "sample_shape .*got 2.5"),
    (lambda: vc.standard_normal(2).sample(key(), (3, -1)), r"sample_shape .*\(3, -1\)"),
    (lambda: vc.VAE(2, 8, 16, rngs=None), "a key comes from"),
    (lambda: vc.VAE(2, 8, 16, rngs=1.5), "a key comes from.*1.5"),
    (lambda: vc.VAE(2, 8, 16, activation="relu", rngs=0), "activation must be a function"),
    (lambda: vc.VAE(2, 8, 16, likelihood="normal", rngs=0), "likelihood must be a function"),
    (lambda: vc.LinearVAE(2, 16, noise_var=0.0, rngs=0), "noise_var must be a positive number"),
    (lambda: vc.FourierDecoder(2, 8, 16, scale=np.nan, rngs=0), "scale must be .* got nan"),
    (lambda: likelihoods.LearnedGaussian(0), "num_vars must be a positive integer, got 0"),
    (lambda: vae(likelihood=likelihoods.LearnedGaussian(5)).decode(jnp.zeros((1, 2))), "5 vari"),
    (lambda: vc.warmup_cosine(1e-3, 0), "num_steps must be a positive integer, got 0"),
    (lambda: vc.warmup_cosine(-1, 10), "peak must be a positive number, got -1"),
    (lambda: vc.active_units(vae().encode(X), threshold="a"), "threshold must be a positive"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_cannot_be_meant_gets_one_sentence(number):
    call, says = REFUSED[number]
    with pytest.raises(ValueError, match=says) as caught:
        call()
    assert str(caught.value).count("\n") == 0


# Long measurements.


def test_a_measurement_of_large_outputs_keeps_its_memory():
    """256 levels a pixel: 200,000 numbers for each pair, of which 64 x 512 would be 26 GB."""
    likelihood = likelihoods.CategoricalPixels(256)
    model = vc.VAE(2, (4,), 784, likelihood=likelihood, rngs=nnx.Rngs(0))
    x = np.round(RNG.random((64, 784)) * 255) / 255
    facts = bounds.facts_of(bounds.split(model), jnp.asarray(x, jnp.float32))
    assert facts.pairs * 784 * 256 <= bounds.NUMBERS
    assert bounds.largest_block(model.encode(x), facts, 64) == facts.pairs // 64
    small = bounds.facts_of(bounds.split(vae()), jnp.asarray(X))
    assert small.pairs == bounds.PAIRS


def test_rows_in_groups_are_rows_at_once(monkeypatch):
    """With the posterior as q every weight is p(x), whichever group its row is in."""
    model = vc.LinearGaussian(jnp.ones((3, 2)), jnp.zeros(3), jnp.float32(1))
    x = jnp.asarray(RNG.normal(size=(10, 3)), jnp.float32)
    monkeypatch.setattr(bounds, "PAIRS", 4)
    jax.clear_caches()
    for measure in (vc.iwae, vc.log_weights):
        found = np.asarray(measure(model, model.posterior(x), x, key(), num_samples=3))
        exact = np.broadcast_to(model.log_likelihood(x), found.shape)
        np.testing.assert_allclose(found, exact, atol=1e-4)
    jax.clear_caches()


def test_an_interrupt_is_heard_between_blocks(monkeypatch):
    calls = []

    def step(carry, first, stop):
        calls.append((first, stop))
        time.sleep(0.02 * (stop - first))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return carry

    monkeypatch.setattr(streaming, "SECONDS", 0.1)
    with pytest.raises(KeyboardInterrupt):
        streaming.paced(step, jnp.zeros(1), 1000)
    assert calls[0] == (0, 1)
    assert all(stop == start for (_, stop), (start, _) in zip(calls[:-1], calls[1:], strict=True))
    assert max(stop - first for first, stop in calls) < 10  # about 0.1 seconds each


def test_pieces_add_up_to_the_whole(monkeypatch):
    model = vc.LinearGaussian(jnp.ones((3, 2)), jnp.zeros(3), jnp.float32(1))
    x = jnp.asarray(RNG.normal(size=(7, 3)), jnp.float32)
    q = vc.Gaussian(jnp.zeros((7, 2)), jnp.zeros((7, 2)))
    monkeypatch.setattr(bounds, "PAIRS", 8 * 7)
    jax.clear_caches()
    traced = jax.jit(vc.iwae, static_argnames="num_samples")(model, q, x, key(), num_samples=50)
    np.testing.assert_allclose(vc.iwae(model, q, x, key(), num_samples=50), traced, rtol=1e-5)
    for analytic_kl in (True, False):
        options = dict(num_samples=50, analytic_kl=analytic_kl)
        inside = jax.jit(lambda key, o=options: vc.elbo(model, q, x, key, **o))(key())
        np.testing.assert_allclose(vc.elbo(model, q, x, key(), **options), inside, rtol=1e-4)
    jax.clear_caches()


def test_compiled_calls_of_concrete_arrays_are_the_same():
    """As where a lesson compiles a loop around estimators of arrays that it has at hand."""
    model, x = vc.LinearGaussian(jnp.ones((3, 2)), jnp.zeros(3), jnp.float32(1)), jnp.ones((4, 3))
    q = model.best_diagonal(x)
    for call in (
        lambda: vc.iwae(model, q, x, key(), num_samples=4),
        lambda: vc.elbo(model, q, x, key()),
        lambda: vc.log_weights(model, q, x, key(), num_samples=4),
        lambda: vc.prior_log_likelihood(model, x, key(), num_samples=4),
        lambda: model.log_likelihood(x),
        lambda: model.exact_elbo(q, x),
        lambda: model.posterior(x).log_prob(q.mean),
        lambda: vc.kl_divergence(q, vc.standard_normal(2)),
        lambda: vc.effective_sample_size(jnp.zeros((4, 3))),
        lambda: vc.binarize(jnp.ones((2, 3)), key()),
        lambda: vc.fit_posterior(model, q, x, key(), num_steps=3).mean,
    ):
        np.testing.assert_allclose(jax.jit(call)(), call(), rtol=1e-4, atol=1e-5)


def test_a_search_of_many_rows_is_one_in_parts(monkeypatch):
    model = vc.LinearGaussian(jnp.ones((3, 1)), jnp.zeros(3), jnp.float32(1))
    x = jnp.asarray(RNG.normal(size=(5, 3)), jnp.float32)
    monkeypatch.setattr(bounds, "PAIRS", 16)  # two rows of eight samples
    jax.clear_caches()
    q = inference.fit_posterior(model, vc.standard_normal(1), x, key())
    lost = model.exact_elbo(model.best_diagonal(x), x) - model.exact_elbo(q, x)
    assert q.batch_shape == (5,)
    assert float(lost.max()) < 0.05
    jax.clear_caches()
